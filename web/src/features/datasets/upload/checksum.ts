/** Asks the worker for checksums; it starts with the first part that is sent. */
import type { Answered, Asked } from "./md5-worker";

let worker: Worker | null = null;
let last = 0;
const waiting = new Map<number, (sum: string | null) => void>();

function started(): Worker {
  if (worker) return worker;
  worker = new Worker(new URL("./md5-worker.ts", import.meta.url), { type: "module" });
  worker.addEventListener("message", ({ data: { id, sum } }: MessageEvent<Answered>) => {
    waiting.get(id)?.(sum);
    waiting.delete(id);
  });
  worker.addEventListener("error", () => {
    // without one, parts are sent without checksums
    for (const done of waiting.values()) done(null);
    waiting.clear();
    worker = null;
  });
  return worker;
}

/** The MD5 of a part in Base64; null where it cannot be had. */
export function checksum(body: Blob): Promise<string | null> {
  return new Promise((done) => {
    last += 1;
    const asked: Asked = { id: last, body };
    waiting.set(asked.id, done);
    started().postMessage(asked);
  });
}
