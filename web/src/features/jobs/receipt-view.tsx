import { Data } from "@/components/data";
import { Facts, Panel } from "@/components/layout";
import { Cell, Row, Table } from "@/components/table";
import { Button } from "@/components/ui";
import { bytes, count, dateTime, duration } from "@/lib/format";
import { m } from "./messages";
import { type Attempt, type Receipt, type Stored, throughSteps } from "./receipt";

/** Rows before and after each step, and what an expectation found. */
export function Steps({ receipt }: { receipt: Receipt }) {
  const steps = throughSteps(receipt);
  if (steps.length === 0) return null;
  const unknown = steps.some((step) => step.rowsOut === null);
  return (
    <Panel title={m.rowsByStep}>
      <Table
        caption={m.rowsByStep}
        head={[m.step, m.what, m.rowsIn, m.rowsOut, m.leftOut]}
        right={[m.rowsIn, m.rowsOut, m.leftOut]}
      >
        {steps.map((step, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the steps of a job that ended never move
          <Row key={index}>
            <Cell>{index + 1}</Cell>
            <Cell plain>
              <span translate="no" className="font-medium">
                {step.step}
              </span>
              {step.expectation && (
                <span translate="no" className="text-muted">
                  {" "}
                  {step.expectation}
                </span>
              )}
              {step.rowsBroken != null && (
                <span className={step.rowsBroken > 0 ? "text-warn" : "text-muted"}>
                  {` · ${m.rowsNotAsExpected({ count: step.rowsBroken })}`}
                </span>
              )}
              {step.seed != null && <span className="text-muted">{` · ${m.seedIs({ seed: String(step.seed) })}`}</span>}
            </Cell>
            <Cell right>{count(step.rowsIn)}</Cell>
            <Cell right>{count(step.rowsOut)}</Cell>
            <Cell right>
              {step.rowsIn != null && step.rowsOut != null ? count(Math.max(step.rowsIn - step.rowsOut, 0)) : "–"}
            </Cell>
          </Row>
        ))}
      </Table>
      {unknown && <p className="pt-2 text-sm text-muted">{m.rowsOfStepUnknown}</p>}
    </Panel>
  );
}

/** What was done, with what, from what, to what; the whole of it as JSON. */
export function ReceiptView({ receipt, whole, name }: { receipt: Receipt; whole: unknown; name: string }) {
  const facts: [string, React.ReactNode][] = [
    [m.engine, receipt.engineVersion ?? "–"],
    [m.service, receipt.serviceVersion ?? "–"],
    [m.engineTime, duration(receipt.engineSeconds)],
    [m.peakMemory, bytes(receipt.peakMemoryBytes)],
    [m.written, bytes(receipt.bytesWritten)],
    [m.worker, <Data key="worker">{receipt.worker ?? "–"}</Data>],
  ];
  return (
    <Panel
      title={m.receipt}
      actions={
        <Button small onClick={() => save(`${name}.receipt.json`, JSON.stringify(whole, null, 2))}>
          {m.downloadAsJson}
        </Button>
      }
    >
      <div className="grid grid-cols-1 gap-4">
        <Facts facts={facts} />
        <p className="text-sm break-all text-muted">{m.sumOfSpecification({ sum: receipt.specSha256 ?? "–" })}</p>
        <Files title={m.read} files={receipt.inputs} />
        <Files title={m.made} files={receipt.outputs} />
        {receipt.attempts.length > 1 && <Attempts receipt={receipt} />}
      </div>
    </Panel>
  );
}

function Files({ title, files }: { title: string; files: Stored[] }) {
  if (files.length === 0) return null;
  return (
    <div>
      <h3 className="text-sm font-medium">{title}</h3>
      <ul translate="no" className="text-sm text-muted">
        {files.map((file) => (
          <li key={file.name} className="break-words">
            {file.fileName ?? file.name} · {bytes(file.sizeBytes)}
            {file.etag && ` · ${m.etagIs({ etag: file.etag.replaceAll('"', "") })}`}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Attempts({ receipt }: { receipt: Receipt }) {
  return (
    <div>
      <h3 className="text-sm font-medium">{m.attempts}</h3>
      <ol className="text-sm text-muted">
        {receipt.attempts.map((each) => (
          <li key={`${each.attempt} ${each.startedAt}`}>{told(each)}</li>
        ))}
      </ol>
    </div>
  );
}

const OUTCOMES: Record<string, () => string> = {
  SUCCEEDED: () => m.outcomeSucceeded,
  FAILED: () => m.outcomeFailed,
  RETRY: () => m.outcomeRetry,
  CANCELLED: () => m.outcomeCancelled,
  LOST: () => m.outcomeLost,
  DRAINED: () => m.outcomeDrained,
};

/** An attempt in one line. */
function told({ attempt, startedAt, worker, seconds, outcome, error }: Attempt): string {
  const line = {
    number: attempt,
    time: dateTime(startedAt),
    worker,
    duration: duration(seconds),
    outcome: outcome === null ? m.outcomeUnderWay : (OUTCOMES[outcome]?.() ?? outcome),
  };
  return error?.message ? m.attemptLineError({ ...line, error: error.message }) : m.attemptLine(line);
}

/** Hand a text to the browser as a file. */
function save(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
