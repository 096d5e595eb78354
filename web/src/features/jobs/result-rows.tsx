import { lazy, Suspense, useMemo, useState } from "react";
import { useQuery } from "urql";
import { Grid } from "@/components/grid";
import { Failed, Loading, Panel } from "@/components/layout";
import { Button } from "@/components/ui";
import { JobPreviewDocument } from "@/gql/graphql";
import { fromCombined } from "@/lib/refusal";
import { m } from "./messages";
import { parquetFiles, textOf } from "./readable";
import type { Result } from "./result";

const AllRows = lazy(() => import("./all-rows").then((module) => ({ default: module.AllRows })));
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
  const [all, setAll] = useState(false);
  const types = useMemo(() => new Map(result.schema.map((column) => [column.name, column.type])), [result.schema]);
  const files = useMemo(() => parquetFiles(result.files), [result.files]);
  const text = useMemo(() => textOf(result.files, output), [result.files, output]);
  const preview = data?.job?.result?.preview;
  const shown = preview && Array.isArray(preview.rows) ? preview.rows.length : 0;
  const more = preview !== undefined && result.rows > shown;
  return (
    <Panel
      title={all ? m.rows : m.firstRows}
      actions={
        more &&
        !all &&
        (files || text) && (
          <Button small onClick={() => setAll(true)}>
            {files ? m.scrollThroughAll({ rows: result.rows }) : m.pageThroughAll({ rows: result.rows })}
          </Button>
        )
      }
    >
      {error && !preview ? (
        <Failed error={fromCombined(error)} retry={() => again({ requestPolicy: "network-only" })} />
      ) : !preview ? (
        <Loading what={m.readingTheFirstRows} />
      ) : all && (files || text) ? (
        <Suspense fallback={<Loading what={m.openingTheResult} />}>
          {files && (
            <AllRows
              columns={preview.columns}
              types={types}
              sample={preview.rows}
              files={files}
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
                where: files || text ? m.allToBeSeenHere : result.flight ? m.allInDownloadAndCode : m.allInDownload,
              })}
            </p>
          )}
        </>
      )}
    </Panel>
  );
}
