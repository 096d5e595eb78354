import { useEffect, useState } from "react";
import { useQuery } from "urql";
import { Code, CopyButton } from "@/components/data";
import { Failed, Loading, Panel } from "@/components/layout";
import { buttonClass, classes } from "@/components/ui";
import { JobResultViewDocument, type JobResultViewQuery } from "@/gql/graphql";
import { bytes, dateTime } from "@/lib/format";
import { fromCombined } from "@/lib/refusal";
import { m } from "./messages";
import { toReceipt } from "./receipt";
import { ReceiptView, Steps } from "./receipt-view";
import { Rejects } from "./rejects";
import { ResultRows } from "./result-rows";
import { MadeDataset, MOST_AT_ONCE, UseAsDataset } from "./use-as-dataset";

export type Result = NonNullable<NonNullable<JobResultViewQuery["job"]>["result"]>;

/** Links and tickets run out: read again this long before, in milliseconds. */
const MARGIN = 120_000;

export function JobResult({ id, name, output }: { id: string; name: string; output: unknown }) {
  const [{ data, error }, again] = useQuery({
    query: JobResultViewDocument,
    variables: { id },
    requestPolicy: "network-only",
  });
  const result = data?.job?.result;
  const expiresAt = result?.files[0]?.expiresAt;
  useEffect(() => {
    if (!expiresAt) return;
    const wait = Math.max(Date.parse(expiresAt) - Date.now() - MARGIN, 30_000);
    const timer = setTimeout(() => again({ requestPolicy: "network-only" }), wait);
    return () => clearTimeout(timer);
  }, [expiresAt, again]);
  if (error && !result)
    return <Failed error={fromCombined(error)} retry={() => again({ requestPolicy: "network-only" })} />;
  if (!result) {
    return (
      // as high as what comes, so that nothing in sight moves when it does
      <div className="min-h-dvh">
        <Loading what={m.loadingTheResult} />
      </div>
    );
  }
  const receipt = toReceipt(result.receipt);
  const read = () => again({ requestPolicy: "network-only" });
  return (
    <>
      {result.expired ? <Expired at={result.expiredAt} /> : <Files jobId={id} result={result} again={read} />}
      <Steps receipt={receipt} />
      {!result.expired && <ResultRows id={id} name={name} result={result} output={output} />}
      {result.flight && <Snippets flight={result.flight} />}
      <ReceiptView receipt={receipt} whole={result.receipt} name={name} />
    </>
  );
}

function Expired({ at }: { at: string | null }) {
  return (
    <Panel title={m.result}>
      <p className="text-muted">{at ? m.filesWereRemovedOn({ time: dateTime(at) }) : m.filesWereRemoved}</p>
    </Panel>
  );
}

function Files({ jobId, result, again }: { jobId: string; result: Result; again: () => void }) {
  const unused = result.files.filter((file) => !file.dataset).length;
  return (
    <Panel
      title={m.result}
      actions={
        <>
          <span className="text-muted">{m.rowsAndSize({ count: result.rows, size: bytes(result.sizeBytes) })}</span>
          {unused > 1 && unused <= MOST_AT_ONCE && <UseAsDataset jobId={jobId} file={null} only={false} made={again} />}
        </>
      }
    >
      <ul className="divide-y divide-line">
        {result.files.map((file) => (
          <li key={file.name} className="flex flex-wrap items-center justify-between gap-2 py-2">
            <span className="min-w-0 break-words">
              <span translate="no" className="font-medium">
                {file.name}
              </span>{" "}
              <span className="text-muted">{described(file)}</span>
            </span>
            <div className="flex flex-wrap items-center gap-2">
              {file.dataset ? (
                <MadeDataset dataset={file.dataset} />
              ) : (
                <UseAsDataset jobId={jobId} file={file.name} only={result.files.length === 1} made={again} />
              )}
              <a
                href={file.url}
                download
                className={buttonClass("primary", true)}
                aria-label={m.downloadFile({ name: file.name })}
              >
                {m.download}
              </a>
            </div>
          </li>
        ))}
      </ul>
      {result.rejects && <Rejects rejects={result.rejects} />}
    </Panel>
  );
}

function described({ format, sizeBytes, rows }: Result["files"][number]): string {
  const known = { format, size: bytes(sizeBytes) };
  return rows == null ? m.formatAndSize(known) : m.formatSizeRows({ ...known, count: rows });
}

const LIBRARIES = ["polars", "pandas", "duckdb"] as const;

function Snippets({ flight }: { flight: NonNullable<Result["flight"]> }) {
  const [library, setLibrary] = useState<(typeof LIBRARIES)[number]>("polars");
  const code = flight.snippets[library];
  return (
    <Panel title={m.loadInPython} actions={<CopyButton text={code} />}>
      <fieldset className="mb-2 flex gap-1">
        <legend className="sr-only">{m.library}</legend>
        {LIBRARIES.map((each) => (
          <button
            key={each}
            type="button"
            translate="no"
            aria-pressed={each === library}
            onClick={() => setLibrary(each)}
            className={classes(
              "rounded-lg px-3 py-1 text-sm font-medium",
              each === library ? "bg-tint text-accent-strong" : "hover:bg-raised",
            )}
          >
            {each}
          </button>
        ))}
      </fieldset>
      <Code>{code}</Code>
      <p className="mt-2 text-sm text-muted">{m.codeCarriesATicket({ location: flight.location })}</p>
    </Panel>
  );
}
