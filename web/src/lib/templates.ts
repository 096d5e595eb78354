/** What people come for most, as the pages offer it; the pipeline of each is `features/pipelines/templates.ts`. */
export const TEMPLATES = [
  {
    id: "lines",
    title: "Keep matching lines",
    text: "From a log of any size, only the lines that contain ERROR, or another word.",
  },
  {
    id: "convert",
    title: "Convert to Parquet",
    text: "All rows and columns, typed and compressed, ready for Polars, pandas or DuckDB.",
  },
  {
    id: "summary",
    title: "Summarise by group",
    text: "Count rows and add up a number for each value of a column.",
  },
] as const;

export type TemplateId = (typeof TEMPLATES)[number]["id"];
