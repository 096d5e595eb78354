/** The receipt of a job, which the API gives as plain JSON: what of it is shown. Pure. */

export interface Step {
  step: string;
  rowsOut: number | null;
  expectation?: string;
  rowsBroken?: number;
  seed?: number;
}

export interface Attempt {
  attempt: number;
  worker: string;
  startedAt: string;
  seconds: number | null;
  outcome: string | null;
  error: { code: string | null; message: string | null } | null;
}

export interface Stored {
  name: string;
  fileName?: string;
  sizeBytes: number | null;
  rows?: number | null;
  etag: string | null;
}

export interface Receipt {
  serviceVersion: string | null;
  engineVersion: string | null;
  specSha256: string | null;
  engineSeconds: number | null;
  peakMemoryBytes: number | null;
  bytesRead: number | null;
  bytesWritten: number | null;
  rowsIn: number | null;
  worker: string | null;
  steps: Step[];
  attempts: Attempt[];
  inputs: Stored[];
  outputs: Stored[];
}

/** The receipt, with empty lists where one of an older version lacks them. */
export function toReceipt(value: unknown): Receipt {
  const given = (typeof value === "object" && value !== null ? value : {}) as Partial<Receipt>;
  const list = <T>(items: T[] | undefined): T[] => (Array.isArray(items) ? items : []);
  return {
    serviceVersion: given.serviceVersion ?? null,
    engineVersion: given.engineVersion ?? null,
    specSha256: given.specSha256 ?? null,
    engineSeconds: given.engineSeconds ?? null,
    peakMemoryBytes: given.peakMemoryBytes ?? null,
    bytesRead: given.bytesRead ?? null,
    bytesWritten: given.bytesWritten ?? null,
    rowsIn: given.rowsIn ?? null,
    worker: given.worker ?? null,
    steps: list(given.steps),
    attempts: list(given.attempts),
    inputs: list(given.inputs),
    outputs: list(given.outputs),
  };
}

/** Rows before and after each step; before the first are those read, and unknown stays unknown. */
export function throughSteps(receipt: Receipt): (Step & { rowsIn: number | null })[] {
  return receipt.steps.map((step, index) => ({
    ...step,
    rowsIn: index === 0 ? receipt.rowsIn : (receipt.steps[index - 1]?.rowsOut ?? null),
  }));
}
