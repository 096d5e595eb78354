import { useState } from "react";
import { Grid } from "@/components/grid";
import { Note } from "@/components/layout";
import { Button, buttonClass } from "@/components/ui";
import { count, plural } from "@/lib/format";
import { useAction } from "@/lib/use-action";
import { parseCsv } from "./csv";

/** Bytes of the list that are read to be shown; all of it is for download. */
const SHOWN_BYTES = 256_000;

/** The first of the rejected rows, straight from the storage. */
async function readRejects(url: string): Promise<string[][]> {
  const response = await fetch(url, { headers: { range: `bytes=0-${SHOWN_BYTES - 1}` } });
  if (!response.ok) throw new Error(`The storage answered ${response.status}. Load the page again.`);
  const bytes = await response.arrayBuffer();
  const size = Number(response.headers.get("content-range")?.split("/")[1] ?? bytes.byteLength);
  return parseCsv(new TextDecoder().decode(bytes), bytes.byteLength >= size);
}

/** Rows that could not be used: how many, the first of them in place, all of them for download. */
export function Rejects({ rejects }: { rejects: { rows: number; url: string } }) {
  const action = useAction();
  const [rows, setRows] = useState<string[][] | null>(null);
  const [columns, ...list] = rows ?? [];
  return (
    <div className="mt-3 grid grid-cols-1 gap-3">
      <Note
        tone="warn"
        title={`${plural(rejects.rows, "row")} could not be used and ${rejects.rows === 1 ? "was" : "were"} set aside.`}
        hint="The list says line, column, reason and the raw text of each."
      >
        <div className="mt-1 flex flex-wrap gap-2">
          {!rows && (
            <Button
              small
              busy={action.busy}
              onClick={() => action.run(async () => setRows(await readRejects(rejects.url)))}
            >
              Show them
            </Button>
          )}
          <a href={rejects.url} download className={buttonClass("secondary", true)}>
            Download {count(rejects.rows)} rejected
          </a>
        </div>
        {action.refusal && <p className="text-sm text-bad">{action.refusal.message}</p>}
      </Note>
      {columns && (
        <>
          <Grid columns={columns} rows={list} caption="Rejected rows" />
          {list.length < rejects.rows && (
            <p className="text-sm text-muted">The first {count(list.length)}; all of them are in the download.</p>
          )}
        </>
      )}
    </div>
  );
}
