/** What a multipart upload knows about itself. Plain data: `machine.ts` moves it, `runner.ts` does the work. */

export type Status = "starting" | "uploading" | "paused" | "offline" | "completing" | "done" | "failed" | "aborted";

/** How the file is cut, as the API said: `partCount` parts of `partSizeBytes`, the last one may be smaller. */
export interface Plan {
  sizeBytes: number;
  partSizeBytes: number;
  partCount: number;
}

/** A presigned URL; `expiresAt` in milliseconds since the epoch. */
export interface SignedUrl {
  partNumber: number;
  url: string;
  expiresAt: number;
}

export interface Problem {
  code: string;
  message: string;
  hint?: string | undefined;
}

export interface UploadState {
  status: Status;
  plan: Plan | null;
  /** Parts that the storage has whole. */
  done: ReadonlySet<number>;
  /** Parts being sent → bytes sent so far. */
  flying: ReadonlyMap<number, number>;
  /** Failed parts → time from which they may be sent again. */
  resting: ReadonlyMap<number, number>;
  /** Failures in a row by part. */
  failures: ReadonlyMap<number, number>;
  urls: ReadonlyMap<number, SignedUrl>;
  /** Parts whose URLs have been asked for; empty when no request is under way. */
  signing: ReadonlySet<number>;
  signFailures: number;
  /** No new signature before this time. */
  signAfter: number;
  /** Smallest part that was never looked at. */
  next: number;
  datasetId: string | null;
  problem: Problem | null;
}

export type Failure =
  | { kind: "refused"; status: number } // 403: the signature is too old (or the clock is wrong)
  | { kind: "broken"; status: number; message: string } // network, 5xx, 429, stalled: worth another try
  | { kind: "fatal"; problem: Problem }; // nothing that a retry mends

export type UploadEvent =
  | { type: "began"; plan: Plan; done: readonly number[] }
  | { type: "signed"; urls: readonly SignedUrl[] }
  | { type: "signFailed"; failure: Failure }
  | { type: "progress"; part: number; bytes: number }
  | { type: "sent"; part: number }
  | { type: "failed"; part: number; failure: Failure }
  | { type: "pause" }
  | { type: "resume"; done?: readonly number[] | undefined }
  | { type: "offline" }
  | { type: "online" }
  | { type: "abort" }
  | { type: "tick" }
  | { type: "completed"; datasetId: string }
  | { type: "completeFailed"; problem: Problem };

export type Command =
  | { do: "sign"; parts: number[] }
  | { do: "send"; part: number; url: string }
  | { do: "stopSending" }
  | { do: "wakeAt"; time: number }
  | { do: "complete" }
  | { do: "abort" };

export const INITIAL: UploadState = {
  status: "starting",
  plan: null,
  done: new Set(),
  flying: new Map(),
  resting: new Map(),
  failures: new Map(),
  urls: new Map(),
  signing: new Set(),
  signFailures: 0,
  signAfter: 0,
  next: 1,
  datasetId: null,
  problem: null,
};

/** Whether nothing more will happen by itself. */
export function ended(status: Status): boolean {
  return status === "done" || status === "aborted";
}

/** Bytes of one part. */
export function partBytes(plan: Plan, part: number): number {
  return part < plan.partCount ? plan.partSizeBytes : plan.sizeBytes - plan.partSizeBytes * (plan.partCount - 1);
}

/** Bytes that have left: whole parts and what is under way. */
export function sentBytes(state: UploadState): number {
  if (!state.plan) return 0;
  let sum = state.done.size * state.plan.partSizeBytes;
  if (state.done.has(state.plan.partCount))
    sum += partBytes(state.plan, state.plan.partCount) - state.plan.partSizeBytes;
  for (const bytes of state.flying.values()) sum += bytes;
  return Math.min(sum, state.plan.sizeBytes);
}
