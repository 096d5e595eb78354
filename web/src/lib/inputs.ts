/** Names of the data sets that the steps of a pipeline read, the main one first. */
export function inputNames(spec: unknown): string[] {
  const names = new Set(["input"]);
  const steps = (spec as { steps?: unknown } | null)?.steps;
  for (const step of Array.isArray(steps) ? (steps as Record<string, Record<string, unknown> | undefined>[]) : []) {
    const { join, union } = step;
    if (typeof join?.input === "string" && join.input) names.add(join.input);
    if (Array.isArray(union?.inputs)) for (const name of union.inputs) if (typeof name === "string") names.add(name);
  }
  return [...names];
}
