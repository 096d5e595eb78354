import { type ColumnInfo, identifier, type Spec, type Step } from "./spec";

export interface Template {
  id: string;
  title: string;
  text: string;
  /** The specification, fitted to the columns of the data set when they are known. */
  spec(schema: readonly ColumnInfo[] | null): Spec;
}

const isNumber = ({ type }: ColumnInfo) => /^(u?int|float|decimal)/.test(type);

const isLines = (schema: readonly ColumnInfo[]) => schema.length === 1 && schema[0]?.name === "line";

export const TEMPLATES: readonly Template[] = [
  {
    id: "lines",
    title: "Keep matching lines",
    text: "From a log of any size, only the lines that contain ERROR.",
    spec: (schema) => ({
      version: 1,
      // a log that happens to look like a table is read as lines all the same
      ...(schema && !isLines(schema) && { inputs: [{ name: "input", format: "lines" }] }),
      steps: [{ filter: { where: "line LIKE '%ERROR%'" } }],
      output: { format: "lines" },
    }),
  },
  {
    id: "convert",
    title: "Convert to Parquet",
    text: "All rows and columns, typed and compressed, ready for Polars, pandas or DuckDB.",
    spec: () => ({ version: 1, steps: [], output: { format: "parquet", compression: "zstd" } }),
  },
  {
    id: "summary",
    title: "Summarise by group",
    text: "Count rows and add up a number for each value of a column.",
    spec: (schema) => {
      const group = schema?.find((column) => !isNumber(column))?.name;
      // names such as order_id are numbers that nobody adds up
      const number = schema?.find((column) => isNumber(column) && !/(^|_)id$/i.test(column.name))?.name;
      const aggregates = [{ name: "n", expr: "count(*)" }];
      if (number) aggregates.push({ name: `${number}_sum`, expr: `sum(${identifier(number)})` });
      const steps: Step[] = [
        { aggregate: { groupBy: group ? [group] : [], aggregates } },
        { sort: { by: [{ column: "n", descending: true }] } },
      ];
      return {
        version: 1,
        steps,
        output: { format: "csv" },
      };
    },
  },
];
