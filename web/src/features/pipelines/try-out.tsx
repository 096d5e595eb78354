import { Grid } from "@/components/grid";
import { Note, Panel } from "@/components/layout";
import { Button } from "@/components/ui";
import { Words } from "@/components/words";
import { count, plural } from "@/lib/format";
import type { LivePreview, Preview } from "./use-preview";

/** Rejected rows that are shown in place: enough to see what is wrong. */
const REJECTS = 8;

interface Props {
  live: LivePreview;
  /** The step behind which the rows are shown, from 0; null is the end. */
  after: number | null;
  showEnd: () => void;
  disabled: boolean;
}

/** What comes out of the beginning of the data: at the end, or behind one step. */
export function TryOut({ live, after, showEnd, disabled }: Props) {
  const { preview, error, busy, fresh, refresh } = live;
  return (
    <Panel
      title={after === null ? "What comes out" : `What step ${after + 1} leaves`}
      actions={
        <>
          {after !== null && (
            <Button small onClick={showEnd}>
              Show the end
            </Button>
          )}
          <Button small onClick={refresh} busy={busy} disabled={disabled}>
            Preview
          </Button>
        </>
      }
    >
      {error && <Note tone="bad" title={<Words text={error} />} />}
      {preview && !error && (
        <div className={fresh ? undefined : "border-l-4 border-warn pl-3"}>
          <p className="mb-2 text-sm text-muted" role="status">
            {!fresh && "Being looked at anew… "}
            {sampled(preview)}
          </p>
          <Grid
            columns={preview.columns}
            rows={preview.rows}
            types={new Map(preview.schema.map((column) => [column.name, column.type]))}
            caption={after === null ? "Beginning of the result" : `Beginning of what step ${after + 1} leaves`}
          />
        </div>
      )}
      {preview && preview.rowsRejected > 0 && !error && <Rejected preview={preview} />}
      {!preview && !error && (
        <p className="text-muted" role="status">
          {busy
            ? "A sample of the data is being run through the steps…"
            : "The first rows that would come out are shown here as soon as the pipeline can run."}
        </p>
      )}
    </Panel>
  );
}

function sampled(preview: Preview): string {
  const rows = `${count(preview.rowsIn)} → ${plural(preview.rowsOut, "row")}`;
  return preview.sampled
    ? `A sample: ${rows}, from the beginning, middle and end of the data.`
    : `All of the data: ${rows}.`;
}

/** Where a row stands; one that an expectation set aside has no line. */
function place(row: Preview["rejects"][number]) {
  const parts = [row.line != null && `Line ${count(row.line)}`, row.column && `column ${row.column}`].filter(Boolean);
  return parts.length > 0 ? `${parts.join(", ")}: ` : "";
}

/** Rows that a run would set aside, with their reasons. */
function Rejected({ preview }: { preview: Preview }) {
  const many = `${plural(preview.rowsRejected, "row")} of ${count(preview.rowsIn)} could not be used`;
  const shown = preview.rejects.slice(0, REJECTS);
  return (
    <div className="mt-3">
      <Note tone="warn" title={`${many} and would be set aside.`}>
        <ul className="grid gap-1 text-sm">
          {shown.map((row) => (
            <li key={`${row.line ?? ""} ${row.reason} ${row.raw}`} className="break-words">
              {place(row)}
              <Words text={row.reason} /> <code className="font-mono">{row.raw}</code>
            </li>
          ))}
          {preview.rowsRejected > shown.length && (
            <li>The others are listed by the job, each with its reason, for download.</li>
          )}
        </ul>
      </Note>
    </div>
  );
}
