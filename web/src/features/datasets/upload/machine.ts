/**
 * The multipart upload as a pure state machine: `step(state, event, now)` returns the next state and what to do.
 *
 * Invariants (machine.test.ts): at most IN_FLIGHT parts under way; a part in `done` is never sent again; `complete`
 * only when every part is done; after `pause`, `abort` or a final failure nothing is sent.
 */

import { m } from "../messages";
import { type Command, ended, type Failure, INITIAL, type Problem, type UploadEvent, type UploadState } from "./state";

export const IN_FLIGHT = 5;
export const SIGN_BATCH = 24;
/** Ask for new URLs as soon as fewer than this many are left. */
const SIGN_AHEAD = IN_FLIGHT * 2;
export const MAX_FAILURES = 8;
/** A URL this close to its end is not used any more, in milliseconds. */
const URL_MARGIN = 30_000;
const REST_FIRST = 1000;
const REST_MOST = 30_000;

/** Wait before try number `failures` + 1, in milliseconds: doubling, capped, spread by `jitter` in [0, 1). */
export function rest(failures: number, jitter: number): number {
  return Math.min(REST_FIRST * 2 ** (failures - 1), REST_MOST) * (0.5 + jitter / 2);
}

export interface Step {
  state: UploadState;
  commands: Command[];
}

/** Apply an event; `now` in milliseconds, `jitter` in [0, 1). */
export function step(state: UploadState, event: UploadEvent, now: number, jitter = 0.5): Step {
  const before = state.status;
  if (event.type === "progress") return { state: apply(state, event, now, jitter), commands: [] };
  const moved = apply(state, event, now, jitter);
  if (moved.status === "uploading") return schedule(moved, now);
  const stopping = before === "uploading" && state.flying.size > 0 && moved.status !== "completing";
  const commands: Command[] = stopping ? [{ do: "stopSending" }] : [];
  if (event.type === "abort" && !ended(before)) commands.push({ do: "abort" });
  return { state: moved, commands };
}

function apply(state: UploadState, event: UploadEvent, now: number, jitter: number): UploadState {
  if (ended(state.status)) return state;
  switch (event.type) {
    case "began":
      return { ...INITIAL, status: "uploading", plan: event.plan, done: new Set(event.done) };
    case "abort":
      return { ...halted(state), status: "aborted" };
    case "pause":
      return state.status === "uploading" || state.status === "offline"
        ? { ...halted(state), status: "paused" }
        : state;
    case "offline":
      return state.status === "uploading" ? { ...halted(state), status: "offline" } : state;
    case "online":
      return state.status === "offline" ? resumed(state) : state;
    case "resume":
      return state.status === "paused" || state.status === "offline" || state.status === "failed"
        ? resumed(state, event.done)
        : state;
    case "completed":
      return { ...state, status: "done", datasetId: event.datasetId, problem: null };
    case "completeFailed":
      if (state.status !== "completing") return state;
      return failed(state, event.problem);
    case "tick":
      return state;
    default:
      return state.status === "uploading" ? transfer(state, event, now, jitter) : state;
  }
}

type Transfer = Extract<UploadEvent, { type: "signed" | "signFailed" | "progress" | "sent" | "failed" }>;

function transfer(state: UploadState, event: Transfer, now: number, jitter: number): UploadState {
  switch (event.type) {
    case "signed": {
      const urls = new Map(state.urls);
      for (const url of event.urls) if (!state.done.has(url.partNumber)) urls.set(url.partNumber, url);
      return { ...state, urls, signing: new Set(), signFailures: 0 };
    }
    case "signFailed": {
      const failures = state.signFailures + 1;
      const base = { ...state, signing: new Set<number>(), signFailures: failures };
      if (event.failure.kind === "fatal" || failures >= MAX_FAILURES) return failed(base, describe(event.failure));
      return { ...base, signAfter: now + rest(failures, jitter) };
    }
    case "progress":
      return state.flying.has(event.part)
        ? { ...state, flying: new Map(state.flying).set(event.part, event.bytes) }
        : state;
    case "sent": {
      if (!state.flying.has(event.part)) return state;
      const done = new Set(state.done).add(event.part);
      return {
        ...state,
        done,
        flying: without(state.flying, event.part),
        failures: without(state.failures, event.part),
        urls: without(state.urls, event.part),
      };
    }
    case "failed":
      return state.flying.has(event.part) ? partFailed(state, event.part, event.failure, now, jitter) : state;
  }
}

function partFailed(state: UploadState, part: number, failure: Failure, now: number, jitter: number): UploadState {
  const failures = (state.failures.get(part) ?? 0) + 1;
  const next = {
    ...state,
    flying: without(state.flying, part),
    failures: new Map(state.failures).set(part, failures),
    // a refused signature is never used again
    urls: failure.kind === "refused" ? without(state.urls, part) : state.urls,
  };
  if (failure.kind === "fatal" || failures >= MAX_FAILURES) return failed(next, describe(failure));
  // an expired URL is the normal case after a pause: sign and send again at once, but only the first time
  const wait = failure.kind === "refused" && failures === 1 ? 0 : rest(failures, jitter);
  return { ...next, resting: new Map(state.resting).set(part, now + wait) };
}

/** Fill the free places; ask for URLs in time; complete when all is there. */
function schedule(state: UploadState, now: number): Step {
  const plan = state.plan;
  if (!plan) return { state, commands: [] };
  if (state.done.size === plan.partCount) {
    return { state: { ...state, status: "completing" }, commands: [{ do: "complete" }] };
  }
  const commands: Command[] = [];
  const flying = new Map(state.flying);
  const resting = new Map(state.resting);
  let next = state.next;
  const unsigned: number[] = [];
  const usable = (part: number) => (state.urls.get(part)?.expiresAt ?? 0) > now + URL_MARGIN;
  const offer = (part: number): boolean => {
    const url = state.urls.get(part);
    if (!url || !usable(part)) {
      unsigned.push(part);
      return false;
    }
    flying.set(part, 0);
    commands.push({ do: "send", part, url: url.url });
    return true;
  };

  for (const [part, time] of resting) {
    if (flying.size >= IN_FLIGHT) break;
    if (time <= now && offer(part)) resting.delete(part);
  }
  while (flying.size < IN_FLIGHT && next <= plan.partCount) {
    if (!(state.done.has(next) || flying.has(next) || resting.has(next) || offer(next))) break;
    next += 1;
  }

  let ahead = 0;
  for (let part = next; part <= plan.partCount && ahead < SIGN_BATCH; part += 1) {
    if (state.done.has(part) || flying.has(part) || resting.has(part)) continue;
    ahead += 1;
    if (!usable(part)) unsigned.push(part);
  }
  const missing = [...new Set(unsigned)];
  let signing = state.signing;
  const urgent =
    missing.length > 0 && (missing.includes(next) || ahead - missing.length < SIGN_AHEAD || resting.size > 0);
  if (urgent && signing.size === 0 && now >= state.signAfter) {
    signing = new Set(missing.slice(0, SIGN_BATCH));
    commands.push({ do: "sign", parts: [...signing] });
  }

  const times = [...resting.values(), state.signAfter].filter((time) => time > now);
  if (times.length > 0) commands.push({ do: "wakeAt", time: Math.min(...times) });
  return { state: { ...state, flying, resting, next, signing }, commands };
}

/** Everything under way becomes "not sent"; what is done stays. */
function halted(state: UploadState): UploadState {
  return { ...state, flying: new Map(), resting: new Map(), signing: new Set(), next: 1 };
}

function resumed(state: UploadState, done?: readonly number[]): UploadState {
  const whole = done ? new Set(done) : state.done;
  const base = { ...halted(state), failures: new Map(), signFailures: 0, signAfter: 0, problem: null, done: whole };
  return { ...base, status: state.plan ? "uploading" : "starting" };
}

function failed(state: UploadState, problem: Problem): UploadState {
  return { ...halted(state), status: "failed", problem };
}

function describe(failure: Failure): Problem {
  switch (failure.kind) {
    case "fatal":
      return failure.problem;
    case "refused":
      return {
        code: "UPLOAD_REFUSED",
        message: m.storageRefusesLinks,
        hint: m.checkClocks,
      };
    case "broken":
      return {
        code: failure.status === 0 ? "STORAGE_UNREACHABLE" : "STORAGE_FAILING",
        message:
          failure.status === 0
            ? m.storageNotReached({ message: failure.message })
            : m.storageFails({ status: failure.status }),
        hint: m.checkConnectionSentIsKept,
      };
  }
}

function without<V>(map: ReadonlyMap<number, V>, key: number): ReadonlyMap<number, V> {
  if (!map.has(key)) return map;
  const copy = new Map(map);
  copy.delete(key);
  return copy;
}
