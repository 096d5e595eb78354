import { describe, expect, it } from "vitest";
import {
  andAlso,
  columnsAt,
  emptySpec,
  identifier,
  inputNames,
  literal,
  mainOverride,
  newStep,
  parseSpec,
  problemsOf,
  type Spec,
  withOverride,
} from "./spec";
import { SPECS } from "./templates";

const schema = [
  { name: "country", type: "utf8" },
  { name: "amount", type: "decimal(12,2)" },
];
const names = (spec: Spec, index: number) => columnsAt(spec, schema, index)?.map((column) => column.name);
const withSteps = (...steps: Spec["steps"]): Spec => ({ ...emptySpec(), steps });

describe("parseSpec", () => {
  it("keeps fields that the editor has no form for", () => {
    const text = '{"version":1,"onBadRow":"fail","steps":[{"sql":{"query":"SELECT 1"}}],"output":{"format":"csv"}}';
    expect(parseSpec(text)).toEqual({ spec: JSON.parse(text) });
  });
  it("fills in what may be left out", () =>
    expect(parseSpec('{"version":1}')).toEqual({ spec: { version: 1, steps: [], output: {} } }));
  it.each([
    ["{", /JSON|Expected/],
    ["[]", /object/],
    ["{}", /version/],
    ['{"version":1,"steps":[{"filter":{},"sort":{}}]}', /one step/],
    ['{"version":1,"steps":{}}', /list/],
    ['{"version":1,"output":"csv"}', /output/],
  ])("says what is wrong with %s", (text, reason) => {
    expect(parseSpec(text)).toEqual({ error: expect.stringMatching(reason) });
  });
});

describe("columnsAt", () => {
  it("follows the steps before", () => {
    const spec = withSteps(
      { derive: { columns: [{ name: "tax", expr: "amount" }] } },
      { select: { columns: ["tax"] } },
      { limit: { rows: 1 } },
    );
    expect([names(spec, 0), names(spec, 1), names(spec, 3)]).toEqual([
      ["country", "amount"],
      ["country", "amount", "tax"],
      ["tax"],
    ]);
  });
  it("knows what an aggregate leaves", () => {
    const spec = withSteps({ aggregate: { groupBy: ["country"], aggregates: [{ name: "n", expr: "count(*)" }] } });
    expect(names(spec, 1)).toEqual(["country", "n"]);
  });
  it("does not guess after steps that only the engine understands", () => {
    expect(columnsAt(withSteps({ sql: { query: "SELECT 1" } }), schema, 1)).toBeNull();
  });
  it("sees lines when the file is read as lines", () => {
    expect(names({ ...emptySpec(), inputs: [{ name: "input", format: "lines" }] }, 0)).toEqual(["line"]);
  });
  it("survives a half-written step", () => expect(names(withSteps({ select: {} }), 1)).toEqual([]));
});

describe("inputs and problems", () => {
  it("asks for every data set that a step names", () => {
    const spec = withSteps({ join: { input: "customers" } }, { union: { inputs: ["more", "input"] } });
    expect(inputNames(spec)).toEqual(["input", "customers", "more"]);
  });
  it("shows a problem at its step, the others on top", () => {
    const problem = (path: string) => ({ path, code: "X", message: "", hint: null });
    const all = [problem("steps[1].filter.where"), problem("steps[10]"), problem("output.format"), problem("")];
    expect(problemsOf(all, 1).map((each) => each.path)).toEqual(["steps[1].filter.where"]);
    expect(problemsOf(all, null).map((each) => each.path)).toEqual(["output.format", ""]);
  });
});

describe("expressions", () => {
  it("quotes names and values that need it", () => {
    expect([identifier("amount"), identifier("Order Id"), identifier('a"b')]).toEqual([
      "amount",
      '"Order Id"',
      '"a""b"',
    ]);
    expect([
      literal("100", "int64"),
      literal("100", "utf8"),
      literal("O'Brien", "utf8"),
      literal("1 OR 1=1", "int64"),
    ]).toEqual(["100", "'100'", "'O''Brien'", "'1 OR 1=1'"]);
  });
  it("does not let AND bind into an OR", () => {
    expect([andAlso("", "a = 1"), andAlso("a = 1", "b = 2"), andAlso("a = 1 OR b = 2", "c = 3")]).toEqual([
      "a = 1",
      "a = 1 AND b = 2",
      "(a = 1 OR b = 2) AND c = 3",
    ]);
  });
});

describe("templates and new steps", () => {
  it("are specifications", () => {
    for (const spec of Object.values(SPECS)) expect(parseSpec(JSON.stringify(spec(schema)))).toHaveProperty("spec");
    for (const kind of ["filter", "select", "aggregate", "sort", "limit"]) {
      expect(parseSpec(JSON.stringify(withSteps(newStep(kind))))).toHaveProperty("spec");
    }
  });
  it("reads a table as lines, and leaves lines as they are", () => {
    expect(SPECS.lines(schema).inputs).toEqual([{ name: "input", format: "lines" }]);
    expect(SPECS.lines([{ name: "line", type: "utf8" }])).not.toHaveProperty("inputs");
  });
  it("the summary groups by a text and adds up a number", () => {
    expect(SPECS.summary(schema).steps[0]).toMatchObject({ aggregate: { groupBy: ["country"] } });
    expect(JSON.stringify(SPECS.summary(schema))).toContain("sum(amount)");
  });
});

describe("withOverride", () => {
  const other = { name: "customers", format: "csv" };
  it("adds and changes what is said of the main input, and leaves the others alone", () => {
    const one = withOverride({ ...emptySpec(), inputs: [other] }, { columns: [{ name: "a", type: "utf8" }] });
    expect(one.inputs).toEqual([{ name: "input", columns: [{ name: "a", type: "utf8" }] }, other]);
    expect(mainOverride(withOverride(one, { delimiter: ";" }))).toEqual({
      name: "input",
      columns: [{ name: "a", type: "utf8" }],
      delimiter: ";",
    });
  });
  it("leaves nothing behind when nothing is said", () => {
    const one = withOverride(emptySpec(), { columns: [] });
    expect(withOverride(one, { columns: undefined })).toEqual(emptySpec());
    expect(withOverride({ ...emptySpec(), inputs: [other] }, { columns: undefined }).inputs).toEqual([other]);
  });
});
