/** Runs the commands of the upload machine on a transport; one per file. Knows no React and no network of its own. */

import { m } from "../messages";
import { step } from "./machine";
import { addSample, type Sample, secondsLeft, speed } from "./speed";
import {
  type Command,
  ended,
  type Failure,
  INITIAL,
  type Plan,
  type Problem,
  partBytes,
  type SignedUrl,
  sentBytes,
  type UploadEvent,
  type UploadState,
} from "./state";

/** What the runner needs of the world. Every promise rejects with a `TransportError`. */
export interface Transport {
  begin(): Promise<{ uploadId: string; plan: Plan }>;
  /** Parts that are whole in storage; null when the upload does not exist any more. */
  present(uploadId: string): Promise<{ plan: Plan; done: number[] } | null>;
  sign(uploadId: string, parts: number[]): Promise<SignedUrl[]>;
  send(part: PartBody, url: string, progress: (bytes: number) => void, signal: AbortSignal): Promise<void>;
  complete(uploadId: string): Promise<{ datasetId: string }>;
  abort(uploadId: string): Promise<void>;
}

/** A part as a range of the file: from `start`, `size` bytes. */
export interface PartBody {
  number: number;
  start: number;
  size: number;
}

export class TransportError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.kind);
  }
}

export interface Clock {
  now(): number;
  /** Call back after a time; returns how to call it off. */
  after(milliseconds: number, callback: () => void): () => void;
  random(): number;
}

export interface Snapshot {
  state: UploadState;
  uploadId: string | null;
  sent: number;
  bytesPerSecond: number | null;
  secondsLeft: number | null;
}

export class UploadRunner {
  private state: UploadState = INITIAL;
  private uploadId: string | null;
  private samples: Sample[] = [];
  private sending = new Map<number, AbortController>();
  private wake: (() => void) | null = null;
  /** Grows when sending is stopped: late answers of the time before count no more. */
  private era = 0;

  constructor(
    private readonly transport: Transport,
    private readonly clock: Clock,
    private readonly changed: (snapshot: Snapshot) => void,
    resumeId: string | null = null,
  ) {
    this.uploadId = resumeId;
  }

  /** Begin, or go on where an earlier upload of the same file stopped. */
  async start(): Promise<void> {
    try {
      const found = this.uploadId ? await this.transport.present(this.uploadId) : null;
      if (found) return this.dispatch({ type: "began", ...found });
      const begun = await this.transport.begin();
      this.uploadId = begun.uploadId;
      if (ended(this.state.status)) await this.transport.abort(begun.uploadId);
      this.dispatch({ type: "began", plan: begun.plan, done: [] });
    } catch (error) {
      this.failStart(error);
    }
  }

  pause(): void {
    this.dispatch({ type: "pause" });
  }

  abort(): void {
    this.dispatch({ type: "abort" });
  }

  connection(online: boolean): void {
    this.dispatch({ type: online ? "online" : "offline" });
  }

  /** Go on after a pause or a failure; asks the storage what it has, as much may have happened meanwhile. */
  async resume(): Promise<void> {
    if (!this.uploadId || !this.state.plan) {
      this.state = INITIAL;
      this.publish();
      return this.start();
    }
    try {
      const found = await this.transport.present(this.uploadId);
      if (!found) throw new TransportError({ kind: "fatal", problem: gone() });
      this.dispatch({ type: "resume", done: found.done });
    } catch (error) {
      this.state = { ...this.state, status: "failed", problem: problemOf(error) };
      this.publish();
    }
  }

  snapshot(): Snapshot {
    const sent = sentBytes(this.state);
    const rate = this.state.status === "uploading" ? speed(this.samples, this.clock.now()) : null;
    const left = this.state.plan ? secondsLeft(sent, this.state.plan.sizeBytes, rate) : null;
    return { state: this.state, uploadId: this.uploadId, sent, bytesPerSecond: rate, secondsLeft: left };
  }

  private dispatch(event: UploadEvent): void {
    const now = this.clock.now();
    const { state, commands } = step(this.state, event, now, this.clock.random());
    this.state = state;
    if (state.status === "uploading") this.samples = addSample(this.samples, now, sentBytes(state));
    else this.samples = [];
    for (const command of commands) this.run(command);
    this.publish();
  }

  private publish(): void {
    this.changed(this.snapshot());
  }

  private run(command: Command): void {
    switch (command.do) {
      case "send":
        void this.send(command.part, command.url);
        return;
      case "sign":
        void this.sign(command.parts);
        return;
      case "complete":
        void this.complete();
        return;
      case "stopSending":
        this.stopSending();
        return;
      case "abort":
        this.stopSending();
        if (this.uploadId) void this.transport.abort(this.uploadId).catch(() => undefined); // the server's sweep does it
        return;
      case "wakeAt":
        this.wake?.();
        this.wake = this.clock.after(command.time - this.clock.now(), () => this.dispatch({ type: "tick" }));
    }
  }

  private stopSending(): void {
    this.era += 1;
    for (const controller of this.sending.values()) controller.abort();
    this.sending.clear();
    this.wake?.();
    this.wake = null;
  }

  private async send(part: number, url: string): Promise<void> {
    const plan = this.state.plan;
    if (!plan) return;
    const era = this.era;
    const controller = new AbortController();
    this.sending.set(part, controller);
    const body = { number: part, start: (part - 1) * plan.partSizeBytes, size: partBytes(plan, part) };
    try {
      const progress = (bytes: number) => era === this.era && this.dispatch({ type: "progress", part, bytes });
      await this.transport.send(body, url, progress, controller.signal);
      if (era === this.era) this.leave(part, { type: "sent", part });
    } catch (error) {
      if (era === this.era) this.leave(part, { type: "failed", part, failure: failureOf(error) });
    }
  }

  private leave(part: number, event: UploadEvent): void {
    this.sending.delete(part);
    this.dispatch(event);
  }

  private async sign(parts: number[]): Promise<void> {
    const era = this.era;
    try {
      const urls = await this.transport.sign(this.uploadId ?? "", parts);
      if (era === this.era) this.dispatch({ type: "signed", urls });
    } catch (error) {
      if (era === this.era) this.dispatch({ type: "signFailed", failure: failureOf(error) });
    }
  }

  private async complete(): Promise<void> {
    try {
      const { datasetId } = await this.transport.complete(this.uploadId ?? "");
      this.dispatch({ type: "completed", datasetId });
    } catch (error) {
      this.dispatch({ type: "completeFailed", problem: problemOf(error) });
    }
  }

  private failStart(error: unknown): void {
    if (ended(this.state.status)) return;
    this.state = { ...this.state, status: "failed", problem: problemOf(error) };
    this.publish();
  }
}

const gone = (): Problem => ({
  code: "UPLOAD_GONE",
  message: m.serverHasItNoLonger,
  hint: m.removeAndUploadAgain,
});

function failureOf(error: unknown): Failure {
  if (error instanceof TransportError) return error.failure;
  return { kind: "broken", status: 0, message: error instanceof Error ? error.message : String(error) };
}

function problemOf(error: unknown): Problem {
  const failure = failureOf(error);
  if (failure.kind === "fatal") return failure.problem;
  return {
    code: "SERVICE_UNREACHABLE",
    message: m.serviceNotReached,
    hint: m.checkConnection,
  };
}
