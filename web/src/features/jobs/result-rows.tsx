import { lazy, Suspense, useMemo, useState } from "react";
import { useQuery } from "urql";
import { Grid } from "@/components/grid";
import { Failed, Loading, Panel } from "@/components/layout";
import { Button } from "@/components/ui";
import { JobPreviewDocument } from "@/gql/graphql";
import { count } from "@/lib/format";
import { fromCombined } from "@/lib/refusal";
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
      title={all ? "Rows" : "First rows"}
      actions={
        more &&
        !all &&
        (files || text) && (
          <Button small onClick={() => setAll(true)}>
            {files ? "Scroll" : "Page"} through all {count(result.rows)}
          </Button>
        )
      }
    >
      {error && !preview ? (
        <Failed error={fromCombined(error)} retry={() => again({ requestPolicy: "network-only" })} />
      ) : !preview ? (
        <Loading what="Reading the first rows" />
      ) : all && (files || text) ? (
        <Suspense fallback={<Loading what="Opening the result" />}>
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
          <Grid
            columns={preview.columns}
            rows={preview.rows}
            types={types}
            caption={`First rows of the result of ${name}`}
          />
          {more && (
            <p className="mt-2 text-sm text-muted">
              The first {count(shown)} of {count(result.rows)} rows.{" "}
              {files || text
                ? "All of them can be looked at here, by the button above, and are in the download."
                : `All of them are in the download${result.flight ? ", and in what the code below loads" : ""}.`}
            </p>
          )}
        </>
      )}
    </Panel>
  );
}
