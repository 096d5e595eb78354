import type { TemplateId } from "@/lib/templates";
import { type ColumnInfo, identifier, type Spec, type Step } from "./spec";

const isNumber = ({ type }: ColumnInfo) => /^(u?int|float|decimal)/.test(type);

const isLines = (schema: readonly ColumnInfo[]) => schema.length === 1 && schema[0]?.name === "line";

/** The specification of each template, fitted to the columns of the data set when they are known. */
export const SPECS: Record<TemplateId, (schema: readonly ColumnInfo[] | null) => Spec> = {
  lines: (schema) => ({
    version: 1,
    // a log that happens to look like a table is read as lines all the same
    ...(schema && !isLines(schema) && { inputs: [{ name: "input", format: "lines" }] }),
    steps: [{ filter: { where: "line LIKE '%ERROR%'" } }],
    output: { format: "lines" },
  }),
  convert: () => ({ version: 1, steps: [], output: { format: "parquet", compression: "zstd" } }),
  summary: (schema) => {
    const group = schema?.find((column) => !isNumber(column))?.name;
    // names such as order_id are numbers that nobody adds up
    const number = schema?.find((column) => isNumber(column) && !/(^|_)id$/i.test(column.name))?.name;
    const aggregates = [{ name: "n", expr: "count(*)" }];
    if (number) aggregates.push({ name: `${number}_sum`, expr: `sum(${identifier(number)})` });
    const steps: Step[] = [
      { aggregate: { groupBy: group ? [group] : [], aggregates } },
      { sort: { by: [{ column: "n", descending: true }] } },
    ];
    return { version: 1, steps, output: { format: "csv" } };
  },
};
