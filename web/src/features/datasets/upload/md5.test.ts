import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { Md5 } from "./md5";

const ours = (...pieces: Uint8Array[]) => pieces.reduce((sum, piece) => sum.add(piece), new Md5()).base64();
const theirs = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("base64");
const made = (length: number) => Uint8Array.from({ length }, (_, index) => (index * 167 + (index >> 8)) & 255);

it("is the sum that others have, at each length around the borders of blocks", () => {
  for (let length = 0; length < 200; length += 1) expect(ours(made(length))).toBe(theirs(made(length)));
  const long = made(3_000_001);
  expect(ours(long)).toBe(theirs(long));
});

it("does not depend on the pieces in which the bytes come", () => {
  const bytes = made(1000);
  for (const size of [1, 7, 63, 64, 65, 128, 999]) {
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
      bytes.subarray(at * size, (at + 1) * size),
    );
    expect(ours(...pieces)).toBe(theirs(bytes));
  }
});
