import { useEffect, useState } from "react";
import { Grid } from "@/components/grid";
import { Loading, Note } from "@/components/layout";
import { Button } from "@/components/ui";
import { fieldsOf } from "./json-rows";
import { m } from "./messages";
import { Packed, type Packing } from "./packed";
import { type Place, plain, readRows, type Source, type TextDialect, type TextFile, type TextRow } from "./text-rows";

const PAGE = 1000;

interface Props {
  columns: readonly string[];
  types: ReadonlyMap<string, string>;
  files: readonly TextFile[];
  dialect: TextDialect;
  packing: Packing | null;
  rows: number;
  name: string;
}

/** Where the rows come from. What is unpacked of a file stays while its rows are shown, whatever link it has by now. */
function useSources(files: readonly TextFile[], packing: Packing | null): readonly Source[] {
  const [packed] = useState(() => packing && files.map(({ url }) => new Packed(url, packing)));
  useEffect(
    () => () => {
      for (const each of packed ?? []) each.close();
    },
    [packed],
  );
  for (const [index, each] of (packed ?? []).entries()) each.url = files[index]?.url ?? each.url;
  return packed ?? files.map(plain);
}

/** All rows of a text result, a page after the other: where a row begins is known once those before it have been read. */
export function TextPages({ columns, types, files, dialect, packing, rows, name }: Props) {
  const [starts, setStarts] = useState<readonly Place[]>([{ file: 0, offset: 0 }]);
  const [page, setPage] = useState(0);
  const [shown, setShown] = useState<{ page: number; rows: TextRow[] } | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const sources = useSources(files, packing);
  const start = starts[page];
  // biome-ignore lint/correctness/useExhaustiveDependencies: signed anew, the files are the same, and so is what was read
  useEffect(() => {
    if (!start) return;
    let stale = false;
    setError(null);
    readRows(sources, dialect, start, PAGE)
      .then(({ rows: read, next }) => {
        if (stale) return;
        setShown({ page, rows: dialect.json ? read.map(([line]) => fieldsOf(line ?? "", columns)) : read });
        if (next) setStarts((before) => (before.length === page + 1 ? [...before, next] : before));
      })
      .catch((thrown) => !stale && setError(thrown instanceof Error ? thrown : new Error(String(thrown))));
    return () => {
      stale = true;
    };
  }, [start, page]);
  if (error) return <Note tone="bad" title={m.rowsNotRead} hint={error.message} />;
  if (!shown) return <Loading what={m.readingTheRows} />;
  const first = shown.page * PAGE;
  const last = first + shown.rows.length;
  const reading = shown.page !== page;
  return (
    <div className="grid grid-cols-1 gap-2">
      <div className="flex flex-wrap items-center gap-2 text-sm">
        <Button small disabled={page === 0 || reading} onClick={() => setPage(0)}>
          {m.firstRows}
        </Button>
        <Button small disabled={page === 0 || reading} onClick={() => setPage(page - 1)}>
          {m.before({ rows: PAGE })}
        </Button>
        <span role="status" className="tabular-nums">
          {m.rowsToOf({ first: first + 1, last, all: rows })}
        </span>
        <Button small disabled={last >= rows || reading} busy={reading} onClick={() => setPage(page + 1)}>
          {m.next({ rows: PAGE })}
        </Button>
      </div>
      <Grid key={shown.page} columns={columns} rows={shown.rows} types={types} caption={m.rowsOf({ name })} />
    </div>
  );
}
