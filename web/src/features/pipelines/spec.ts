/** A pipeline as the editor holds it, and what can be told of it without asking the server. Pure functions. */
import { m } from "./messages";

export { inputNames } from "@/lib/inputs";

/** One step: exactly one kind and its settings, the JSON of the engine. */
export type Step = Record<string, Record<string, unknown>>;

export interface Spec {
  version: 1;
  steps: Step[];
  output: Record<string, unknown>;
  [rest: string]: unknown;
}

export interface ColumnInfo {
  name: string;
  type: string;
}

export interface PipelineProblem {
  path: string;
  code: string;
  message: string;
  hint: string | null;
}

export const FORMATS = ["parquet", "csv", "tsv", "ndjson", "arrow", "lines"] as const;

export function emptySpec(): Spec {
  return { version: 1, steps: [], output: { format: "parquet" } };
}

export function kindOf(step: Step): string {
  return Object.keys(step)[0] ?? "";
}

export function settingsOf(step: Step): Record<string, unknown> {
  return step[kindOf(step)] ?? {};
}

/** What a new step of a kind starts with. */
export function newStep(kind: string): Step {
  const settings: Record<string, Record<string, unknown>> = {
    filter: { where: "" },
    select: { columns: [] },
    aggregate: { groupBy: [], aggregates: [{ name: "n", expr: "count(*)" }] },
    sort: { by: [] },
    limit: { rows: 100 },
    derive: { columns: [{ name: "", expr: "" }] },
    rename: { columns: [] },
    cast: { columns: [] },
    drop: { columns: [] },
    fillNull: { columns: [] },
    join: { input: "other", how: "inner", on: [] },
    union: { inputs: ["other"] },
    extract: { column: "", pattern: "" },
    sample: { fraction: 0.01 },
    expect: { name: "", that: "", onFail: "reject" },
    sql: { query: "SELECT * FROM input" },
  };
  return { [kind]: settings[kind] ?? {} };
}

/** A text as a specification; the reason when it is none. What is inside is the server's to check. */
export function parseSpec(text: string): { spec: Spec } | { error: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { error: error instanceof Error ? error.message : m.thisIsNoJson };
  }
  if (!isObject(value)) return { error: m.pipelineIsAnObject };
  const { version, steps = [], output = {} } = value;
  if (version !== 1) return { error: m.versionMustBe1 };
  if (!Array.isArray(steps) || !steps.every(isStep)) {
    return { error: m.stepsMustBeAList };
  }
  if (!isObject(output)) return { error: m.outputMustBeAnObject };
  return { spec: { ...value, version: 1, steps, output } };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isStep(value: unknown): value is Step {
  return isObject(value) && Object.keys(value).length === 1 && Object.values(value).every(isObject);
}

/** Columns that step `index` sees, as far as the earlier steps let one tell; null when only the server knows. */
export function columnsAt(spec: Spec, schema: readonly ColumnInfo[] | null, index: number): ColumnInfo[] | null {
  let columns: ColumnInfo[] | null = overridesFormat(spec) ? [{ name: "line", type: "utf8" }] : schema && [...schema];
  for (const step of spec.steps.slice(0, index)) columns = columns && after(columns, kindOf(step), settingsOf(step));
  return columns;
}

/** What the specification says about how the main input is read, instead of what was found. */
export function mainOverride(spec: Spec): Record<string, unknown> {
  const inputs = Array.isArray(spec.inputs) ? (spec.inputs as unknown[]) : [];
  return inputs.filter(isObject).find((input) => input.name === "input") ?? {};
}

/** The specification with these fields of the main input's reading; an override that says nothing goes. */
export function withOverride(spec: Spec, changes: Record<string, unknown>): Spec {
  const others = (Array.isArray(spec.inputs) ? (spec.inputs as unknown[]) : []).filter(
    (input) => !isObject(input) || input.name !== "input",
  );
  const kept = Object.entries({ ...mainOverride(spec), ...changes, name: "input" }).filter(
    ([, each]) => each !== undefined,
  );
  const inputs = kept.length > 1 ? [Object.fromEntries(kept), ...others] : others;
  const { inputs: _, ...rest } = spec;
  return { ...rest, version: 1, steps: spec.steps, output: spec.output, ...(inputs.length > 0 && { inputs }) };
}

/** Whether the specification reads the file as plain lines, whatever it was taken for. */
function overridesFormat(spec: Spec): boolean {
  const inputs = Array.isArray(spec.inputs) ? (spec.inputs as unknown[]) : [];
  return inputs.some((input) => isObject(input) && input.name === "input" && input.format === "lines");
}

const SAME = new Set(["filter", "sort", "limit", "distinct", "fillNull", "dropNull", "sample", "expect"]);

function after(columns: ColumnInfo[], kind: string, settings: Record<string, unknown>): ColumnInfo[] | null {
  if (SAME.has(kind)) return columns;
  const named = new Map(columns.map((column) => [column.name, column]));
  switch (kind) {
    case "select":
      return texts(settings.columns).map((name) => named.get(name) ?? { name, type: "" });
    case "drop": {
      const gone = new Set(texts(settings.columns));
      return columns.filter((column) => !gone.has(column.name));
    }
    case "aggregate": {
      const groups = texts(settings.groupBy).map((name) => named.get(name) ?? { name, type: "" });
      return [...groups, ...namesIn(settings.aggregates).map((name) => ({ name, type: "" }))];
    }
    case "derive": {
      const fresh = namesIn(settings.columns).filter((name) => !named.has(name));
      return [...columns, ...fresh.map((name) => ({ name, type: "" }))];
    }
    default:
      return null;
  }
}

export function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}

function namesIn(value: unknown): string[] {
  return Array.isArray(value) ? texts(value.map((item) => isObject(item) && item.name)) : [];
}

/** Problems of one step, and those that belong to none. */
export function problemsOf(problems: readonly PipelineProblem[], step: number | null): PipelineProblem[] {
  return problems.filter(({ path }) => {
    const place = /^steps\[(\d+)\]/.exec(path);
    return step === null ? place === null : place !== null && Number(place[1]) === step;
  });
}

/** A column's name in an expression. */
export function identifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/** A value in an expression, as the column's type wants it. */
export function literal(value: string, type: string): string {
  if (/^(u?int|float|decimal)/.test(type) && /^[-+]?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(value.trim()))
    return value.trim();
  if (type === "boolean" && /^(true|false)$/i.test(value.trim())) return value.trim().toLowerCase();
  return `'${value.replaceAll("'", "''")}'`;
}

/** Add a condition to what is there. */
export function andAlso(where: string, condition: string): string {
  const before = where.trim();
  if (!before) return condition;
  return /\bor\b/i.test(before) ? `(${before}) AND ${condition}` : `${before} AND ${condition}`;
}
