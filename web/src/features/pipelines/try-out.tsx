import { Grid } from "@/components/grid";
import { Note, Panel } from "@/components/layout";
import { Button } from "@/components/ui";
import { Words } from "@/components/words";
import { m } from "./messages";
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
      title={after === null ? m.whatComesOut : m.whatStepLeaves({ number: after + 1 })}
      actions={
        <>
          {after !== null && (
            <Button small onClick={showEnd}>
              {m.showTheEnd}
            </Button>
          )}
          <Button small onClick={refresh} busy={busy} disabled={disabled}>
            {m.preview}
          </Button>
        </>
      }
    >
      {error && <Note tone="bad" title={<Words text={error} />} />}
      {preview && !error && (
        <div className={fresh ? undefined : "border-l-4 border-warn pl-3"}>
          <p className="mb-2 text-sm text-muted" role="status">
            {fresh ? sampled(preview) : m.beingLookedAtAnew({ rest: sampled(preview) })}
          </p>
          <Grid
            columns={preview.columns}
            rows={preview.rows}
            types={new Map(preview.schema.map((column) => [column.name, column.type]))}
            caption={after === null ? m.beginningOfTheResult : m.beginningStepLeaves({ number: after + 1 })}
          />
        </div>
      )}
      {preview && preview.rowsRejected > 0 && !error && <Rejected preview={preview} />}
      {!preview && !error && (
        <p className="text-muted" role="status">
          {busy ? m.sampleIsBeingRun : m.rowsAreShownHere}
        </p>
      )}
    </Panel>
  );
}

function sampled(preview: Preview): string {
  const { rowsIn, rowsOut } = preview;
  return preview.sampled ? m.sampled({ rowsIn, count: rowsOut }) : m.notSampled({ rowsIn, count: rowsOut });
}

/** Where a row stands; one that an expectation set aside has no line. */
function place({ line, column }: Preview["rejects"][number]): string | null {
  if (line == null) return column ? m.placeColumn({ column }) : null;
  return column ? m.placeLineColumn({ line, column }) : m.placeLine({ line });
}

/** Rows that a run would set aside, with their reasons. */
function Rejected({ preview }: { preview: Preview }) {
  const many = m.rowsWouldBeSetAside({ count: preview.rowsRejected, all: preview.rowsIn });
  const shown = preview.rejects.slice(0, REJECTS);
  return (
    <div className="mt-3">
      <Note tone="warn" title={many}>
        <ul className="grid gap-1 text-sm">
          {shown.map((row) => (
            <li key={`${row.line ?? ""} ${row.reason} ${row.raw}`} className="break-words">
              {place(row)} <Words text={row.reason} /> <code className="font-mono">{row.raw}</code>
            </li>
          ))}
          {preview.rowsRejected > shown.length && <li>{m.othersAreListed}</li>}
        </ul>
      </Note>
    </div>
  );
}
