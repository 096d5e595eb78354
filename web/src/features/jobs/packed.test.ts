import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Packed } from "./packed";
import { readRows } from "./text-rows";

afterEach(() => vi.unstubAllGlobals());

/** A storage that streams this in pieces; tells how often it was asked, and how much it has handed out. */
function storage(body: Uint8Array, status = 200) {
  const told = { asked: 0, sent: 0 };
  vi.stubGlobal("fetch", async () => {
    told.asked += 1;
    let at = 0;
    const stream = new ReadableStream({
      pull(controller) {
        if (at >= body.length) return controller.close();
        const piece = body.slice(at, at + 10_000);
        at += piece.length;
        told.sent += piece.length;
        controller.enqueue(piece);
      },
    });
    return new Response(stream, { status });
  });
  return told;
}

/** A frame of zstd with blocks that are stored as they are (RFC 8878, 3.1.1). */
function zstdFrame(text: Uint8Array): Uint8Array {
  const parts = [new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58])];
  for (let at = 0; at < text.length; at += 100_000) {
    const block = text.slice(at, at + 100_000);
    const header = (at + block.length >= text.length ? 1 : 0) | (block.length << 3);
    parts.push(new Uint8Array([header & 255, (header >> 8) & 255, header >> 16]), block);
  }
  return new Uint8Array(Buffer.concat(parts));
}

const LINES = Array.from({ length: 400_000 }, (_, row) => `${row},${(row * 48271) % 2147483647}\n`).join("");
const TEXT = new TextEncoder().encode(LINES);
const said = ({ piece, end }: { piece: Uint8Array; end: boolean }) => [new TextDecoder().decode(piece), end];

describe.each([
  ["gzip", new Uint8Array(gzipSync(TEXT))],
  ["zstd", zstdFrame(TEXT)],
] as const)("a file packed with %s", (packing, body) => {
  it("is read from anywhere in one go", async () => {
    const told = storage(body);
    const file = new Packed("u", packing);
    expect(said(await file.read(0, 20))).toEqual([LINES.slice(0, 20), false]);
    expect(said(await file.read(1_000_000, 1_000_020))).toEqual([LINES.slice(1_000_000, 1_000_020), false]);
    expect(said(await file.read(500, 520))).toEqual([LINES.slice(500, 520), false]);
    expect(told.asked).toBe(1);
    file.close();
  });
  it("knows its end, whether it is met or passed", async () => {
    storage(body);
    const file = new Packed("u", packing);
    expect(said(await file.read(TEXT.length - 5, TEXT.length))).toEqual([LINES.slice(-5), true]);
    expect(said(await file.read(TEXT.length - 5, TEXT.length + 9))).toEqual([LINES.slice(-5), true]);
    expect(said(await file.read(TEXT.length, TEXT.length + 9))).toEqual(["", true]);
    expect((await file.read(TEXT.length - 9, TEXT.length - 1)).end).toBe(false);
  });
  it("gives its rows page by page", async () => {
    storage(body);
    const dialect = { delimiter: ",", header: false, json: false };
    const sources = [new Packed("u", packing)];
    const first = await readRows(sources, dialect, { file: 0, offset: 0 }, 1000);
    const second = await readRows(sources, dialect, first.next ?? { file: 9, offset: 0 }, 1000);
    expect([first.rows[999]?.[0], second.rows[0]?.[0], second.rows.length]).toEqual(["999", "1000", 1000]);
  });
});

describe("a packed file", () => {
  // Node's gzip takes all that it can get; browsers' waits
  it("is loaded only as far as is wanted", async () => {
    const told = storage(zstdFrame(TEXT));
    const file = new Packed("u", "zstd");
    await file.read(0, 20);
    expect(told.sent).toBeLessThan(TEXT.length / 4);
    file.close();
  });
  it("is unpacked anew for what was forgotten", async () => {
    const long = new TextEncoder().encode("x".repeat(40_000_000));
    const told = storage(new Uint8Array(gzipSync(long)));
    const file = new Packed("u", "gzip");
    await file.read(39_000_000, 39_000_010);
    expect(said(await file.read(3, 6))).toEqual(["xxx", false]);
    expect(told.asked).toBe(2);
    file.close();
  });
  it("that breaks off says so, and is tried anew", async () => {
    const body = new Uint8Array(gzipSync(TEXT));
    storage(body.slice(0, body.length / 2));
    const file = new Packed("u", "gzip");
    await expect(file.read(0, TEXT.length)).rejects.toThrow();
    storage(body);
    expect((await file.read(0, TEXT.length)).piece.length).toBe(TEXT.length);
  });
  it("that the storage refuses says what it answered", async () => {
    storage(new Uint8Array(0), 403);
    await expect(new Packed("u", "zstd").read(0, 9)).rejects.toThrow("The storage answered 403.");
  });
  it("can be closed while it is read, and read again", async () => {
    storage(new Uint8Array(gzipSync(TEXT)));
    const file = new Packed("u", "gzip");
    const reading = file.read(0, TEXT.length);
    await Promise.resolve();
    file.close();
    await reading.catch(() => undefined);
    expect((await file.read(0, TEXT.length)).piece.length).toBe(TEXT.length);
  });
});
