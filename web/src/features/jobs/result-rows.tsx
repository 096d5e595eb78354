import { lazy, Suspense, useMemo, useState } from "react";
import { useQuery } from "urql";
import { Grid } from "@/components/grid";
import { Failed, Loading, Panel } from "@/components/layout";
import { Button } from "@/components/ui";
import { JobPreviewDocument } from "@/gql/graphql";
import { fromCombined } from "@/lib/refusal";
import type { AllRowsProps } from "./all-rows";
import { m } from "./messages";
import { rowFiles, textOf } from "./readable";
import type { Result } from "./result";

/** The grid of all rows with what reads one format: neither is loaded for the other. */
function allRows(load: () => Promise<AllRowsProps["reader"]>) {
  return lazy(async () => {
    const [{ AllRows }, reader] = await Promise.all([import("./all-rows"), load()]);
    return { default: (props: Omit<AllRowsProps, "reader">) => <AllRows {...props} reader={reader} /> };
  });
}

const ALL_ROWS = {
  parquet: allRows(() => import("./parquet").then((module) => module.parquetReader)),
  arrow: allRows(() => import("./arrow").then((module) => module.arrowReader)),
};
const TextPages = lazy(() => import("./text-pages").then((module) => ({ default: module.TextPages })));

interface Props {
  id: string;
  name: string;
  result: Result;
  /** What the specification says about the result. */
  output: unknown;
}

/** The first rows of a result; all of them, if somebody wants, where they can be read by ranges. */
export function ResultRows({ id, name, result, output }: Props) {
  const [{ data, error }, again] = useQuery({ query: JobPreviewDocument, variables: { id } });
  const [open, setOpen] = useState(false);
  const types = useMemo(() => new Map(result.schema.map((column) => [column.name, column.type])), [result.schema]);
  const source = useMemo(() => rowFiles(result.files), [result.files]);
  const AllRows = source && ALL_ROWS[source.format];
  const text = useMemo(() => textOf(result.files, output), [result.files, output]);
  const preview = data?.job?.result?.preview;
  const shown = preview && Array.isArray(preview.rows) ? preview.rows.length : 0;
  const more = preview !== undefined && result.rows > shown;
  return (
    <Panel
      title={open ? m.rows : m.firstRows}
      actions={
        more &&
        !open &&
        (source || text) && (
          <Button small onClick={() => setOpen(true)}>
            {source ? m.scrollThroughAll({ rows: result.rows }) : m.pageThroughAll({ rows: result.rows })}
          </Button>
        )
      }
    >
      {error && !preview ? (
        <Failed error={fromCombined(error)} retry={() => again({ requestPolicy: "network-only" })} />
      ) : !preview ? (
        <Loading what={m.readingTheFirstRows} />
      ) : open && (source || text) ? (
        <Suspense fallback={<Loading what={m.openingTheResult} />}>
          {AllRows && source && (
            <AllRows
              columns={preview.columns}
              types={types}
              sample={preview.rows}
              files={source.files}
              rows={result.rows}
              name={name}
            />
          )}
          {text && <TextPages columns={preview.columns} types={types} rows={result.rows} name={name} {...text} />}
        </Suspense>
      ) : (
        <>
          <Grid columns={preview.columns} rows={preview.rows} types={types} caption={m.firstRowsOf({ name })} />
          {more && (
            <p className="mt-2 text-sm text-muted">
              {m.firstOfRows({
                shown,
                all: result.rows,
                where: source || text ? m.allToBeSeenHere : result.flight ? m.allInDownloadAndCode : m.allInDownload,
              })}
            </p>
          )}
        </>
      )}
    </Panel>
  );
}
