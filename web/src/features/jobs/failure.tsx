import { useEffect, useState } from "react";
import { useClient } from "urql";
import { Note } from "@/components/layout";
import { classes } from "@/components/ui";
import { Words } from "@/components/words";
import { JobInputTextDocument, type JobRowFragment } from "@/gql/graphql";
import { count } from "@/lib/format";
import { m } from "./messages";
import { type Line, linesAround, rangeAround } from "./offender";

type Failure = NonNullable<JobRowFragment["error"]>;

/** Why a job failed, what to do about it, and the row at fault where it can be read. */
export function JobFailure({ id, error }: { id: string; error: Failure }) {
  const place = [
    error.step != null && m.placeStep({ number: error.step + 1 }),
    error.column != null && m.placeColumn({ name: error.column }),
    error.row != null && m.placeRow({ number: error.row }),
    error.byteOffset != null && m.placeByte({ number: error.byteOffset }),
  ].filter(Boolean);
  return (
    <Note tone="bad" title={<Words text={error.message} />} hint={error.hint && <Words text={error.hint} />}>
      <p className="text-sm">{[m.code({ code: error.code }), ...place].join(" · ")}</p>
      {error.row != null && error.byteOffset != null && (
        <Offender id={id} row={error.row} offset={error.byteOffset} key={`${error.row} ${error.byteOffset}`} />
      )}
    </Note>
  );
}

/** Compression and encoding of a file whose bytes are those that were read. */
const PLAIN = /^(none)? (utf-?8(-bom)?|ascii)?$/i;

interface Found {
  file: string;
  lines: Line[];
}

/** Read the lines around a byte of the job's input, straight from the storage; null where they cannot be told. */
async function read(client: ReturnType<typeof useClient>, id: string, row: number, offset: number) {
  const { data } = await client.query(JobInputTextDocument, { id }, { requestPolicy: "network-only" }).toPromise();
  const inputs = data?.job?.inputs ?? [];
  const dataset = inputs[0]?.dataset;
  // an error names no input, and places in packed or other texts are not those in the file
  if (!dataset || inputs.length > 1 || !PLAIN.test(`${dataset.compression ?? ""} ${dataset.encoding ?? ""}`))
    return null;
  const [first, last] = rangeAround(offset);
  const response = await fetch(dataset.url, { headers: { range: `bytes=${first}-${last}` } });
  if (response.status !== 206) return null;
  const piece = new Uint8Array(await response.arrayBuffer());
  const lines = linesAround(piece, first, offset, row, first + piece.length >= dataset.sizeBytes);
  return lines.length > 0 ? { file: dataset.fileName, lines } : null;
}

function Offender({ id, row, offset }: { id: string; row: number; offset: number }) {
  const client = useClient();
  const [found, setFound] = useState<Found | null>(null);
  useEffect(() => {
    let stale = false;
    // the error says enough where the file is gone or cannot be reached
    read(client, id, row, offset)
      .then((lines) => !stale && setFound(lines))
      .catch(() => undefined);
    return () => {
      stale = true;
    };
  }, [client, id, row, offset]);
  if (!found) return null;
  return (
    <figure className="mt-2 grid gap-1">
      <figcaption className="text-sm">{m.rowInFile({ row, file: found.file })}</figcaption>
      <section
        aria-label={m.theRowAtFault}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
        tabIndex={0}
        className="relative overflow-x-auto rounded-lg border border-line bg-surface py-2 font-mono text-sm"
      >
        <ol translate="no">
          {found.lines.map((line) => (
            <li
              key={line.number}
              aria-current={line.meant || undefined}
              className={classes(
                "flex w-max min-w-full gap-3 px-3 whitespace-pre",
                line.meant ? "bg-bad-tint font-semibold" : "text-muted",
              )}
            >
              <span className="min-w-12 text-right tabular-nums select-none">{count(line.number)}</span>
              <span>{line.text}</span>
            </li>
          ))}
        </ol>
      </section>
    </figure>
  );
}
