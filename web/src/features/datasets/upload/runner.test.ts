import { describe, expect, it } from "vitest";
import { IN_FLIGHT } from "./machine";
import { type Clock, type PartBody, type Snapshot, type Transport, TransportError, UploadRunner } from "./runner";
import type { Failure } from "./state";

const PART = 10;

/** Let all promises run that can. */
const quiet = () => new Promise((resolve) => setImmediate(resolve));

/** Time that stands still until it is told to run, with timers in order. */
class TestClock implements Clock {
  time = 0;
  private timers: { at: number; run: () => void }[] = [];
  now = () => this.time;
  random = () => 0.5;
  after(milliseconds: number, run: () => void) {
    const timer = { at: this.time + milliseconds, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }
  /** Run until nothing is left to do, timers included. */
  async settle(): Promise<void> {
    for (let round = 0; round < 500; round += 1) {
      await quiet();
      const next = this.timers.sort((one, other) => one.at - other.at)[0];
      if (!next) return;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    throw new Error("the upload never settles");
  }
}

/** A storage in memory with faults: `fault(part, url, attempt)` says what goes wrong. */
class TestTransport implements Transport {
  stored = new Map<number, string>();
  began = 0;
  completed = 0;
  aborted: string[] = [];
  signatures = 0;
  under = 0;
  most = 0;
  tries = new Map<number, number>();
  hold: Promise<void> | null = null;
  fault: (part: number, url: string, attempt: number) => Failure | null = () => null;
  gone = false;

  constructor(
    readonly content: string,
    private readonly clock: Clock,
  ) {}
  get plan() {
    return { sizeBytes: this.content.length, partSizeBytes: PART, partCount: Math.ceil(this.content.length / PART) };
  }
  async begin() {
    this.began += 1;
    return { uploadId: "U", plan: this.plan };
  }
  async present(_id: string) {
    return this.gone ? null : { plan: this.plan, done: [...this.stored.keys()] };
  }
  async sign(_id: string, parts: number[]) {
    this.signatures += 1;
    const expiresAt = this.clock.now() + 3_600_000;
    return parts.map((partNumber) => ({ partNumber, url: `${partNumber}#${this.signatures}`, expiresAt }));
  }
  async send(part: PartBody, url: string, progress: (bytes: number) => void, signal: AbortSignal) {
    this.under += 1;
    this.most = Math.max(this.most, this.under);
    const attempt = (this.tries.get(part.number) ?? 0) + 1;
    this.tries.set(part.number, attempt);
    try {
      progress(part.size / 2);
      await (this.hold ?? Promise.resolve());
      if (signal.aborted) throw new Error("aborted");
      const failure = this.fault(part.number, url, attempt);
      if (failure) throw new TransportError(failure);
      this.stored.set(part.number, this.content.slice(part.start, part.start + part.size));
    } finally {
      this.under -= 1;
    }
  }
  async complete(_id: string) {
    this.completed += 1;
    return { datasetId: "D" };
  }
  async abort(id: string) {
    this.aborted.push(id);
  }
  joined() {
    return [...this.stored.entries()]
      .sort(([one], [other]) => one - other)
      .map(([, text]) => text)
      .join("");
  }
}

const content = Array.from({ length: 1234 }, (_, index) => String.fromCharCode(97 + (index % 26))).join("");

function rig(resumeId: string | null = null) {
  const clock = new TestClock();
  const transport = new TestTransport(content, clock);
  const seen: Snapshot[] = [];
  const runner = new UploadRunner(transport, clock, (snapshot) => seen.push(snapshot), resumeId);
  return { clock, transport, runner, seen, state: () => runner.snapshot().state };
}

describe("an upload", () => {
  it("brings every byte over, in order, with several parts at a time", async () => {
    const { clock, transport, runner, state } = rig();
    await runner.start();
    await clock.settle();
    expect(state()).toMatchObject({ status: "done", datasetId: "D" });
    expect(transport.joined()).toBe(content);
    expect(transport.most).toBe(IN_FLIGHT);
    expect(transport.completed).toBe(1);
    expect(transport.signatures).toBeLessThan(12);
  });

  it("gets through a storage that fails every third try and refuses old links", async () => {
    const { clock, transport, runner, state } = rig();
    let calls = 0;
    transport.fault = (part, url) => {
      calls += 1;
      if (part % 7 === 0 && url.endsWith("#1")) return { kind: "refused", status: 403 };
      return calls % 3 === 0 ? { kind: "broken", status: 503, message: "slow down" } : null;
    };
    await runner.start();
    await clock.settle();
    expect(state().status).toBe("done");
    expect(transport.joined()).toBe(content);
  });

  it("fails with the reason when the storage never answers, and goes on afterwards without sending anything twice", async () => {
    const { clock, transport, runner, state } = rig();
    transport.fault = (part) => (part > 50 ? { kind: "broken", status: 0, message: "network" } : null);
    await runner.start();
    await clock.settle();
    expect(state()).toMatchObject({ status: "failed", problem: { code: "STORAGE_UNREACHABLE" } });
    const before = new Map(transport.tries);
    transport.fault = () => null;
    await runner.resume();
    await clock.settle();
    expect(state().status).toBe("done");
    expect(transport.joined()).toBe(content);
    for (let part = 1; part <= 50; part += 1) expect(transport.tries.get(part)).toBe(before.get(part));
    expect(transport.began).toBe(1);
  });

  it("resumes after a reload: asks what is there and sends the rest", async () => {
    const { clock, transport, runner, state } = rig("U");
    for (let part = 1; part <= 100; part += 1)
      transport.stored.set(part, content.slice((part - 1) * PART, part * PART));
    await runner.start();
    await clock.settle();
    expect(transport.began).toBe(0);
    expect(transport.tries.size).toBe(transport.plan.partCount - 100);
    expect(state().status).toBe("done");
    expect(transport.joined()).toBe(content);
  });

  it("begins anew when the server has forgotten the upload", async () => {
    const { clock, transport, runner, state } = rig("OLD");
    transport.gone = true;
    await runner.start();
    await clock.settle();
    expect(transport.began).toBe(1);
    expect(state().status).toBe("done");
  });

  it("pauses what is under way; late answers of the time before do not count", async () => {
    const { clock, transport, runner, state } = rig();
    let release = () => {};
    transport.hold = new Promise((resolve) => {
      release = resolve;
    });
    await runner.start();
    await quiet();
    expect(state().flying.size).toBe(IN_FLIGHT);
    runner.pause();
    expect(runner.snapshot()).toMatchObject({ sent: 0, bytesPerSecond: null, state: { status: "paused" } });
    transport.hold = null;
    release();
    await clock.settle();
    expect(state().status).toBe("paused");
    expect(transport.stored.size).toBe(0);
    await runner.resume();
    await clock.settle();
    expect(transport.joined()).toBe(content);
  });

  it("aborted, tells the server and sends nothing more", async () => {
    const { clock, transport, runner, state } = rig();
    transport.hold = new Promise(() => {});
    await runner.start();
    await quiet();
    runner.abort();
    await clock.settle();
    expect(transport.aborted).toEqual(["U"]);
    expect(state().status).toBe("aborted");
    expect(transport.tries.size).toBe(IN_FLIGHT);
  });

  it("says so when the file changed meanwhile", async () => {
    const { clock, transport, runner, state } = rig();
    const problem = { code: "FILE_CHANGED", message: "The file changed." };
    transport.fault = (part) => (part === 3 ? { kind: "fatal", problem } : null);
    await runner.start();
    await clock.settle();
    expect(state()).toMatchObject({ status: "failed", problem });
    expect(transport.completed).toBe(0);
  });

  it("shows progress that ends with the whole file", async () => {
    const { clock, runner, seen } = rig();
    await runner.start();
    await clock.settle();
    const last = seen.at(-1);
    expect(last).toMatchObject({ sent: content.length, secondsLeft: 0 });
    expect(seen.every((snapshot) => snapshot.sent <= content.length)).toBe(true);
  });
});
