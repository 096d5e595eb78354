/** All uploads of the signed-in user: they go on while one moves around the app. */
import type { Client } from "@urql/core";
import { Store } from "@/lib/store";
import { type FileIdentity, findUpload, forget, type Remembered, remember, remembered, sameFile } from "./identity";
import { type Clock, type Snapshot, UploadRunner } from "./runner";
import { ended } from "./state";
import { createTransport } from "./transport";

export interface Item extends Snapshot {
  key: string;
  name: string;
  size: number;
}

const CLOCK: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  after: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
};

export class UploadManager {
  readonly items = new Store<readonly Item[]>([]);
  /** Uploads of an earlier visit whose file has not been chosen again yet. */
  readonly interrupted = new Store<readonly Remembered[]>([]);
  private readonly runners = new Map<string, { runner: UploadRunner; identity: FileIdentity }>();
  private readonly ticker = setInterval(() => this.tick(), 1000);
  private count = 0;

  constructor(
    private readonly client: Client,
    private readonly userId: string,
  ) {
    window.addEventListener("online", this.connection);
    window.addEventListener("offline", this.connection);
    window.addEventListener("beforeunload", this.warn);
    this.refreshInterrupted();
  }

  /** Start these files; one that was interrupted goes on where it stopped. */
  add(files: Iterable<File>): void {
    for (const file of files) {
      const identity = { name: file.name, size: file.size, lastModified: file.lastModified };
      if (this.active(identity)) continue;
      this.count += 1;
      const key = `upload-${this.count}`;
      const before = findUpload(localStorage, this.userId, identity, Date.now());
      const changed = (snapshot: Snapshot) => this.changed(key, identity, snapshot);
      const runner = new UploadRunner(createTransport(this.client, file), CLOCK, changed, before?.uploadId ?? null);
      this.runners.set(key, { runner, identity });
      this.items.set([...this.items.get(), { key, name: file.name, size: file.size, ...runner.snapshot() }]);
      void runner.start();
    }
    this.refreshInterrupted();
  }

  pause(key: string): void {
    this.runners.get(key)?.runner.pause();
  }

  resume(key: string): void {
    void this.runners.get(key)?.runner.resume();
  }

  /** Give an upload up: the server removes its parts. */
  abort(key: string): void {
    this.runners.get(key)?.runner.abort();
    this.dismiss(key);
  }

  /** Take a finished one off the list. */
  dismiss(key: string): void {
    this.runners.delete(key);
    this.items.set(this.items.get().filter((item) => item.key !== key));
    this.refreshInterrupted();
  }

  /** Give up one of an earlier visit. */
  async discard(entry: Remembered): Promise<void> {
    forget(localStorage, entry.uploadId);
    this.refreshInterrupted();
    // when this fails, the server removes it by itself after some days
    await createTransport(this.client, new File([], entry.name))
      .abort(entry.uploadId)
      .catch(() => undefined);
  }

  stop(): void {
    clearInterval(this.ticker);
    window.removeEventListener("online", this.connection);
    window.removeEventListener("offline", this.connection);
    window.removeEventListener("beforeunload", this.warn);
    for (const { runner } of this.runners.values()) runner.pause();
  }

  private active(identity: FileIdentity): boolean {
    return this.items.get().some((item) => {
      const other = this.runners.get(item.key)?.identity;
      return other !== undefined && sameFile(other, identity) && !ended(item.state.status);
    });
  }

  private changed(key: string, identity: FileIdentity, snapshot: Snapshot): void {
    const uploadId = snapshot.uploadId;
    const before = this.items.get().find((item) => item.key === key);
    if (uploadId && before?.state.status !== snapshot.state.status) {
      if (ended(snapshot.state.status)) forget(localStorage, uploadId);
      else remember(localStorage, { ...identity, uploadId, userId: this.userId, startedAt: Date.now() });
    }
    this.items.set(this.items.get().map((item) => (item.key === key ? { ...item, ...snapshot } : item)));
  }

  /** Speed and time left change while no byte arrives. */
  private tick(): void {
    if (!this.items.get().some((item) => item.state.status === "uploading")) return;
    this.items.set(this.items.get().map((item) => ({ ...item, ...this.runners.get(item.key)?.runner.snapshot() })));
  }

  private refreshInterrupted(): void {
    const known = new Set(this.items.get().map((item) => item.uploadId));
    const open = [...this.runners.values()].map((each) => each.identity);
    const waiting = remembered(localStorage, this.userId, Date.now());
    this.interrupted.set(
      waiting.filter((entry) => !known.has(entry.uploadId) && !open.some((identity) => sameFile(identity, entry))),
    );
  }

  private connection = (): void => {
    for (const { runner } of this.runners.values()) runner.connection(navigator.onLine);
  };

  private warn = (event: BeforeUnloadEvent): void => {
    if (this.items.get().some((item) => ["uploading", "completing", "starting"].includes(item.state.status)))
      event.preventDefault();
  };
}
