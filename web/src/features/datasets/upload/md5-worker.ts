/** The checksums of parts, beside the page: each takes a second of the processor, more or less. */
import { Md5 } from "./md5";

const PIECE = 4_000_000;

export interface Asked {
  id: number;
  body: Blob;
}

export interface Answered {
  id: number;
  /** Null where the file cannot be read any more. */
  sum: string | null;
}

addEventListener("message", async ({ data: { id, body } }: MessageEvent<Asked>) => {
  let sum: string | null = null;
  try {
    const md5 = new Md5();
    for (let at = 0; at < body.size; at += PIECE)
      md5.add(new Uint8Array(await body.slice(at, at + PIECE).arrayBuffer()));
    sum = md5.base64();
  } catch {
    // told by the null
  }
  const answer: Answered = { id, sum };
  postMessage(answer);
});
