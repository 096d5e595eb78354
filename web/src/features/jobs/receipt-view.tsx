import { Facts, Panel } from "@/components/layout";
import { Cell, Row, Table } from "@/components/table";
import { Button } from "@/components/ui";
import { bytes, count, dateTime, duration } from "@/lib/format";
import { type Receipt, type Stored, throughSteps } from "./receipt";

/** Rows before and after each step, and what an expectation found. */
export function Steps({ receipt }: { receipt: Receipt }) {
  const steps = throughSteps(receipt);
  if (steps.length === 0) return null;
  const unknown = steps.some((step) => step.rowsOut === null);
  return (
    <Panel title="Rows by step">
      <Table
        caption="Rows by step"
        head={["Step", "What", "Rows in", "Rows out", "Left out"]}
        right={["Rows in", "Rows out", "Left out"]}
      >
        {steps.map((step, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the steps of a job that ended never move
          <Row key={index}>
            <Cell>{index + 1}</Cell>
            <Cell plain>
              <span className="font-medium">{step.step}</span>
              {step.expectation && <span className="text-muted"> {step.expectation}</span>}
              {step.rowsBroken != null && (
                <span className={step.rowsBroken > 0 ? "text-warn" : "text-muted"}>
                  {` · ${count(step.rowsBroken)} not as expected`}
                </span>
              )}
              {step.seed != null && <span className="text-muted"> · seed {step.seed}</span>}
            </Cell>
            <Cell right>{count(step.rowsIn)}</Cell>
            <Cell right>{count(step.rowsOut)}</Cell>
            <Cell right>
              {step.rowsIn != null && step.rowsOut != null ? count(Math.max(step.rowsIn - step.rowsOut, 0)) : "–"}
            </Cell>
          </Row>
        ))}
      </Table>
      {unknown && (
        <p className="pt-2 text-sm text-muted">– where the engine ran a step together with its neighbours.</p>
      )}
    </Panel>
  );
}

/** What was done, with what, from what, to what; the whole of it as JSON. */
export function ReceiptView({ receipt, whole, name }: { receipt: Receipt; whole: unknown; name: string }) {
  const facts: [string, React.ReactNode][] = [
    ["Engine", receipt.engineVersion ?? "–"],
    ["Service", receipt.serviceVersion ?? "–"],
    ["Engine time", duration(receipt.engineSeconds)],
    ["Peak memory", bytes(receipt.peakMemoryBytes)],
    ["Written", bytes(receipt.bytesWritten)],
    ["Worker", receipt.worker ?? "–"],
  ];
  return (
    <Panel
      title="Receipt"
      actions={
        <Button small onClick={() => save(`${name}.receipt.json`, JSON.stringify(whole, null, 2))}>
          Download as JSON
        </Button>
      }
    >
      <div className="grid grid-cols-1 gap-4">
        <Facts facts={facts} />
        <p className="text-sm break-all text-muted">SHA-256 of the specification: {receipt.specSha256 ?? "–"}</p>
        <Files title="Read" files={receipt.inputs} />
        <Files title="Made" files={receipt.outputs} />
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
      <ul className="text-sm text-muted">
        {files.map((file) => (
          <li key={file.name} className="break-words">
            {file.fileName ?? file.name} · {bytes(file.sizeBytes)}
            {file.etag && ` · ETag ${file.etag.replaceAll('"', "")}`}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Attempts({ receipt }: { receipt: Receipt }) {
  return (
    <div>
      <h3 className="text-sm font-medium">Attempts</h3>
      <ol className="text-sm text-muted">
        {receipt.attempts.map((each) => (
          <li key={`${each.attempt} ${each.startedAt}`}>
            {each.attempt}: {dateTime(each.startedAt)} on {each.worker}, {duration(each.seconds)},{" "}
            {(each.outcome ?? "under way").toLowerCase().replaceAll("_", " ")}
            {each.error?.message && `: ${each.error.message}`}
          </li>
        ))}
      </ol>
    </div>
  );
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
