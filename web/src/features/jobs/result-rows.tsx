import { lazy, Suspense, useMemo, useState } from "react";
import { useQuery } from "urql";
import { Grid } from "@/components/grid";
import { Failed, Loading, Panel } from "@/components/layout";
import { Button } from "@/components/ui";
import { JobPreviewDocument } from "@/gql/graphql";
import { count } from "@/lib/format";
import { fromCombined } from "@/lib/refusal";
import type { ParquetFile } from "./parquet";
import type { Result } from "./result";

const AllRows = lazy(() => import("./all-rows").then((module) => ({ default: module.AllRows })));

/** The files as they are read by ranges; null where that is not possible: other formats, columns in folders' names. */
function readable(files: Result["files"]): ParquetFile[] | null {
  const list = files.map(({ url, sizeBytes, rows }) => ({ url, sizeBytes, rows: rows ?? -1 }));
  const all = files.every(({ format, name, rows }) => format === "parquet" && !name.includes("/") && rows !== null);
  return all && list.length > 0 ? list : null;
}

/** The first rows of a result; of a Parquet result all of them, if somebody wants. */
export function ResultRows({ id, name, result }: { id: string; name: string; result: Result }) {
  const [{ data, error }, again] = useQuery({ query: JobPreviewDocument, variables: { id } });
  const [all, setAll] = useState(false);
  const types = useMemo(() => new Map(result.schema.map((column) => [column.name, column.type])), [result.schema]);
  const files = useMemo(() => readable(result.files), [result.files]);
  const preview = data?.job?.result?.preview;
  const shown = preview && Array.isArray(preview.rows) ? preview.rows.length : 0;
  const more = preview && files && result.rows > shown;
  return (
    <Panel
      title={all ? "Rows" : "First rows"}
      actions={
        more &&
        !all && (
          <Button small onClick={() => setAll(true)}>
            Scroll through all {count(result.rows)}
          </Button>
        )
      }
    >
      {error && !preview ? (
        <Failed error={fromCombined(error)} retry={() => again({ requestPolicy: "network-only" })} />
      ) : !preview ? (
        <Loading what="Reading the first rows" />
      ) : all && files ? (
        <Suspense fallback={<Loading what="Opening the result" />}>
          <AllRows
            columns={preview.columns}
            types={types}
            sample={preview.rows}
            files={files}
            rows={result.rows}
            name={name}
          />
        </Suspense>
      ) : (
        <>
          <Grid
            columns={preview.columns}
            rows={preview.rows}
            types={types}
            caption={`First rows of the result of ${name}`}
          />
          {result.rows > shown && !files && (
            <p className="mt-2 text-sm text-muted">
              The first {count(shown)} of {count(result.rows)} rows. A Parquet result can be scrolled to its end.
            </p>
          )}
        </>
      )}
    </Panel>
  );
}
