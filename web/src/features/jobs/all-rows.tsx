import { useMemo, useState } from "react";
import { Grid } from "@/components/grid";
import { Note } from "@/components/layout";
import { Button } from "@/components/ui";
import { m } from "./messages";
import type { ReadRows, RowFile } from "./ranges";
import { Windows } from "./windows";

/** Rows in one grid: browsers draw nothing higher than some thirty million pixels. */
const MOST = 1_000_000;

export interface AllRowsProps {
  columns: readonly string[];
  types: ReadonlyMap<string, string>;
  /** Some rows, by which the columns get their widths. */
  sample: unknown;
  files: readonly RowFile[];
  /** How rows of the files are read. */
  reader: (files: readonly RowFile[]) => ReadRows;
  rows: number;
  name: string;
}

/** All rows of a result, read as one scrolls. */
export function AllRows({ columns, types, sample, files, reader, rows, name }: AllRowsProps) {
  const [part, setPart] = useState(0);
  const [, setSeen] = useState(0);
  const [error, setError] = useState<Error | null>(null);
  const windows = useMemo(() => {
    const changed = (failure: Error | null) => {
      setError(failure);
      setSeen((before) => before + 1);
    };
    return new Windows(rows, reader(files), changed);
  }, [files, reader, rows]);
  const first = part * MOST;
  const shown = Math.min(rows - first, MOST);
  return (
    <div className="grid grid-cols-1 gap-2">
      {error && <Note tone="bad" title={m.rowsNotRead} hint={error.message} />}
      {rows > MOST && (
        <div className="flex flex-wrap items-center gap-2 text-sm">
          <Button small disabled={part === 0} onClick={() => setPart(part - 1)}>
            {m.millionBefore}
          </Button>
          <span className="tabular-nums">{m.rowsToOf({ first: first + 1, last: first + shown, all: rows })}</span>
          <Button small disabled={first + shown >= rows} onClick={() => setPart(part + 1)}>
            {m.nextMillion}
          </Button>
        </div>
      )}
      <Grid
        key={part}
        columns={columns}
        rows={sample}
        types={types}
        caption={m.allRowsOf({ name })}
        long={{
          count: shown,
          row: (index) => windows.row(first + index),
          seen: (from, to) => windows.want(first + from, first + to),
        }}
      />
    </div>
  );
}
