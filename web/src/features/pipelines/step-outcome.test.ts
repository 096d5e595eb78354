import { describe, expect, it } from "vitest";
import { emptySpec, type Spec, type Step } from "./spec";
import { changes } from "./step-outcome";
import { upTo } from "./use-preview";
import { pretty } from "./versions";

const outcome = (rest: object) => ({
  index: 0,
  step: "derive",
  rowsIn: 1200,
  rowsOut: 1,
  columnsAdded: [],
  columnsRemoved: [],
  columnsRetyped: [],
  note: null,
  ...rest,
});
const column = (name: string, type = "utf8") => ({ name, type });

describe("changes", () => {
  it("says how many rows came and went", () => expect(changes(outcome({}))).toEqual(["1,200 → 1 row"]));
  it("names the columns that changed", () => {
    const columnsAdded = [column("total", "float64")];
    expect(
      changes(outcome({ columnsAdded, columnsRemoved: ["note"], columnsRetyped: [column("day", "date")] })),
    ).toEqual(["1,200 → 1 row", "+ total float64", "− note", "~ day date"]);
  });
  it("counts them when they are many", () => {
    const columnsRemoved = ["a", "b", "c", "d", "e", "f", "g"];
    expect(changes(outcome({ columnsRemoved }))[1]).toBe("− 7 columns");
  });
});

describe("upTo", () => {
  it("ends behind the step, written as anything that takes all columns", () => {
    const steps: Step[] = [{ limit: { rows: 1 } }, { drop: { columns: ["a"] } }];
    const spec: Spec = { ...emptySpec(), steps, output: { format: "lines" } };
    expect(upTo(spec, 0)).toEqual({ version: 1, steps: [{ limit: { rows: 1 } }], output: { format: "parquet" } });
  });
});

describe("pretty", () => {
  it("does not depend on the order of fields, but on that of steps", () => {
    expect(pretty({ b: 1, a: { d: [2, 1], c: 3 } })).toBe(pretty({ a: { c: 3, d: [2, 1] }, b: 1 }));
    expect(pretty([1, 2])).not.toBe(pretty([2, 1]));
  });
});
