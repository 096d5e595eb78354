import { describe, expect, it } from "vitest";
import { IN_FLIGHT, MAX_FAILURES, rest, SIGN_BATCH, step } from "./machine";
import {
  type Command,
  INITIAL,
  partBytes,
  type SignedUrl,
  sentBytes,
  type UploadEvent,
  type UploadState,
} from "./state";

const MIB = 1024 ** 2;
const plan = (partCount: number, last = 1) => ({
  sizeBytes: 64 * MIB * (partCount - 1) + last,
  partSizeBytes: 64 * MIB,
  partCount,
});

/** The machine with its commands recorded. */
class Rig {
  state: UploadState = INITIAL;
  commands: Command[] = [];
  now = 0;

  fire(event: UploadEvent): Command[] {
    const result = step(this.state, event, this.now);
    this.state = result.state;
    this.commands.push(...result.commands);
    return result.commands;
  }

  sign(parts: number[], life = 3_600_000): Command[] {
    const urls: SignedUrl[] = parts.map((partNumber) => ({
      partNumber,
      url: `u${partNumber}`,
      expiresAt: this.now + life,
    }));
    return this.fire({ type: "signed", urls });
  }

  flying(): number[] {
    return [...this.state.flying.keys()];
  }
}

const sends = (commands: Command[]) => commands.filter((each) => each.do === "send").map((each) => each.part);
const signs = (commands: Command[]) => commands.filter((each) => each.do === "sign").flatMap((each) => each.parts);

function begun(parts: number, done: number[] = []): Rig {
  const rig = new Rig();
  const asked = signs(rig.fire({ type: "began", plan: plan(parts), done }));
  rig.sign(asked);
  return rig;
}

describe("sizes", () => {
  it("the last part is what is left", () => {
    expect(partBytes(plan(3, 17), 3)).toBe(17);
    expect(partBytes(plan(3, 17), 2)).toBe(64 * MIB);
  });
  it("counts whole parts, the short last part and bytes under way", () => {
    const state = { ...INITIAL, plan: plan(3, 17), done: new Set([1, 3]), flying: new Map([[2, 5]]) };
    expect(sentBytes(state)).toBe(64 * MIB + 17 + 5);
  });
});

describe("scheduling", () => {
  it("asks for one batch of URLs, then fills the places and no more", () => {
    const rig = new Rig();
    const asked = signs(rig.fire({ type: "began", plan: plan(800), done: [] }));
    expect(asked).toEqual(Array.from({ length: SIGN_BATCH }, (_, index) => index + 1));
    expect(sends(rig.sign(asked))).toEqual([1, 2, 3, 4, 5]);
    expect(rig.flying()).toHaveLength(IN_FLIGHT);
  });
  it("signs the next batch before the URLs run out, with one request at a time", () => {
    const rig = begun(800);
    let asked: number[] = [];
    for (let part = 1; asked.length === 0 && part < SIGN_BATCH; part += 1)
      asked = signs(rig.fire({ type: "sent", part }));
    expect(rig.flying()).toHaveLength(IN_FLIGHT);
    expect(Math.min(...asked)).toBe(SIGN_BATCH + 1);
    expect(signs(rig.fire({ type: "sent", part: rig.flying()[0] ?? 0 }))).toEqual([]);
  });
  it("completes once, when every part is there", () => {
    const rig = begun(2);
    expect(rig.fire({ type: "sent", part: 1 })).not.toContainEqual({ do: "complete" });
    expect(rig.fire({ type: "sent", part: 2 })).toEqual([{ do: "complete" }]);
    rig.fire({ type: "completed", datasetId: "D" });
    expect(rig.state).toMatchObject({ status: "done", datasetId: "D" });
    expect(rig.commands.filter((each) => each.do === "complete")).toHaveLength(1);
  });
  it("resumed with all parts there, it only completes", () => {
    const rig = new Rig();
    expect(rig.fire({ type: "began", plan: plan(3), done: [1, 2, 3] })).toEqual([{ do: "complete" }]);
  });
  it("resumed, it never sends what is there", () => {
    const rig = begun(6, [1, 2, 4]);
    expect(rig.flying()).toEqual([3, 5, 6]);
  });
});

describe("faults", () => {
  it("signs a refused part again at once, and does not use the old URL", () => {
    const rig = begun(3);
    const commands = rig.fire({ type: "failed", part: 2, failure: { kind: "refused", status: 403 } });
    expect(signs(commands)).toContain(2);
    expect(sends(commands)).toEqual([]);
    expect(sends(rig.sign([2]))).toEqual([2]);
  });
  it("lets a broken part rest longer each time while the others go on", () => {
    const rig = begun(20);
    const commands = rig.fire({ type: "failed", part: 1, failure: { kind: "broken", status: 503, message: "" } });
    expect(sends(commands)).toEqual([6]);
    const wake = commands.find((each) => each.do === "wakeAt");
    expect(wake?.time).toBe(rest(1, 0.5));
    rig.fire({ type: "sent", part: 2 });
    rig.now = rest(1, 0.5);
    expect(sends(rig.fire({ type: "sent", part: 3 }))).toContain(1);
    expect([1, 2, 3, 9].map((failures) => rest(failures, 0))).toEqual([500, 1000, 2000, 15_000]);
  });
  it("gives up after so many failures of one part, with a way out", () => {
    const rig = begun(1);
    for (let failure = 1; failure <= MAX_FAILURES; failure += 1) {
      rig.now += 60_000;
      rig.fire({ type: "tick" });
      rig.fire({ type: "failed", part: 1, failure: { kind: "broken", status: 0, message: "network" } });
    }
    expect(rig.state.status).toBe("failed");
    expect(rig.state.problem).toMatchObject({ code: "STORAGE_UNREACHABLE" });
    expect(rig.state.problem?.hint).toMatch(/resume/);
    expect(sends(rig.fire({ type: "resume" })).length + rig.state.signing.size).toBeGreaterThan(0);
  });
  it("a success forgives earlier failures", () => {
    const rig = begun(2);
    rig.fire({ type: "failed", part: 1, failure: { kind: "broken", status: 500, message: "" } });
    rig.now += 60_000;
    rig.fire({ type: "tick" });
    rig.fire({ type: "sent", part: 1 });
    expect(rig.state.failures.size).toBe(0);
  });
  it("stops the others at a fatal failure", () => {
    const rig = begun(9);
    const problem = { code: "FILE_CHANGED", message: "changed" };
    expect(rig.fire({ type: "failed", part: 1, failure: { kind: "fatal", problem } })).toEqual([{ do: "stopSending" }]);
    expect(rig.state).toMatchObject({ status: "failed", problem });
    expect(rig.fire({ type: "tick" })).toEqual([]);
  });
  it("does not use a URL that is about to expire", () => {
    const rig = new Rig();
    rig.fire({ type: "began", plan: plan(2), done: [] });
    expect(sends(rig.sign([1, 2], 10_000))).toEqual([]);
    expect(rig.state.signing).toEqual(new Set([1, 2]));
  });
  it("waits before signing again when the API is away", () => {
    const rig = new Rig();
    rig.fire({ type: "began", plan: plan(2), done: [] });
    const commands = rig.fire({ type: "signFailed", failure: { kind: "broken", status: 502, message: "" } });
    expect(signs(commands)).toEqual([]);
    expect(commands.map((each) => each.do)).toEqual(["wakeAt"]);
    rig.now = rest(1, 0.5);
    expect(signs(rig.fire({ type: "tick" }))).toEqual([1, 2]);
  });
});

describe("pause, offline, abort", () => {
  it("stops what is under way and sends it again after resuming", () => {
    const rig = begun(4);
    rig.fire({ type: "sent", part: 1 });
    expect(rig.fire({ type: "pause" })).toEqual([{ do: "stopSending" }]);
    expect(rig.fire({ type: "sent", part: 2 })).toEqual([]);
    expect(sends(rig.fire({ type: "resume", done: [1] }))).toEqual([2, 3, 4]);
  });
  it("believes the storage about what is there", () => {
    const rig = begun(4);
    rig.fire({ type: "pause" });
    expect(sends(rig.fire({ type: "resume", done: [1, 2] }))).toEqual([3, 4]);
  });
  it("a pause by hand outlives a lost connection", () => {
    const rig = begun(4);
    rig.fire({ type: "pause" });
    rig.fire({ type: "offline" });
    expect(rig.fire({ type: "online" })).toEqual([]);
    expect(rig.state.status).toBe("paused");
  });
  it("goes on by itself when the connection is back", () => {
    const rig = begun(4);
    rig.fire({ type: "offline" });
    expect(rig.state.status).toBe("offline");
    expect(sends(rig.fire({ type: "online" }))).toEqual([1, 2, 3, 4]);
  });
  it("aborts once and for good", () => {
    const rig = begun(4);
    expect(rig.fire({ type: "abort" })).toEqual([{ do: "stopSending" }, { do: "abort" }]);
    expect(rig.fire({ type: "abort" })).toEqual([]);
    expect(rig.fire({ type: "resume" })).toEqual([]);
    expect(rig.state.status).toBe("aborted");
  });
});
