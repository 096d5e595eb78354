import { useState } from "react";
import { useClient } from "urql";
import { Grid } from "@/components/data";
import { Note, Panel } from "@/components/layout";
import { Button } from "@/components/ui";
import { Words } from "@/components/words";
import { type PipelineSpecInput, PreviewPipelineDocument, type PreviewPipelineQuery } from "@/gql/graphql";
import { count, plural } from "@/lib/format";
import { fromCombined } from "@/lib/refusal";
import { inputNames, type Spec } from "./spec";

type Preview = Extract<PreviewPipelineQuery["previewPipeline"], { __typename: "PipelinePreview" }>;

/** Runs the pipeline on the beginning of its inputs and shows what comes out. */
export function TryOut({ spec, inputs, disabled }: { spec: Spec; inputs: Record<string, string>; disabled: boolean }) {
  const client = useClient();
  const [busy, setBusy] = useState(false);
  const [preview, setPreview] = useState<Preview | null>(null);
  const [error, setError] = useState<string | null>(null);
  const tryOut = async () => {
    setBusy(true);
    setError(null);
    const input = {
      spec: spec as unknown as PipelineSpecInput,
      inputs: inputNames(spec).map((name) => ({ name, datasetId: inputs[name] ?? "" })),
      rows: 20,
    };
    const result = await client
      .query(PreviewPipelineDocument, { input }, { requestPolicy: "network-only" })
      .toPromise();
    const answer = result.data?.previewPipeline;
    if (answer?.__typename === "PipelinePreview") setPreview(answer);
    else setError(answer?.message ?? (result.error ? fromCombined(result.error).message : "No answer."));
    setBusy(false);
  };
  return (
    <Panel
      title="Try it on the beginning of the data"
      actions={
        <Button small onClick={tryOut} busy={busy} disabled={disabled}>
          Preview
        </Button>
      }
    >
      {error && <Note tone="bad" title={error} />}
      {preview && !error && (
        <Grid
          columns={preview.columns}
          rows={preview.rows}
          types={new Map(preview.schema.map((column) => [column.name, column.type]))}
          caption="Beginning of the result"
        />
      )}
      {preview && preview.rowsRejected > 0 && !error && <Rejected preview={preview} />}
      {!preview && !error && (
        <p className="text-muted">Shows the first rows that would come out, before you run the whole.</p>
      )}
    </Panel>
  );
}

/** Where a row stands; one that an expectation set aside has no line. */
function place(row: Preview["rejects"][number]) {
  const parts = [row.line != null && `Line ${count(row.line)}`, row.column && `column ${row.column}`].filter(Boolean);
  return parts.length > 0 ? `${parts.join(", ")}: ` : "";
}

/** Rows that a run would set aside, with their reasons. */
function Rejected({ preview }: { preview: Preview }) {
  const many = `${plural(preview.rowsRejected, "row")} of ${count(preview.rowsIn)} could not be used`;
  return (
    <div className="mt-3">
      <Note tone="warn" title={`${many} and would be set aside.`}>
        <ul className="grid gap-1 text-sm">
          {preview.rejects.map((row) => (
            <li key={`${row.line ?? ""} ${row.reason} ${row.raw}`} className="break-words">
              {place(row)}
              <Words text={row.reason} /> <code className="font-mono">{row.raw}</code>
            </li>
          ))}
        </ul>
      </Note>
    </div>
  );
}
