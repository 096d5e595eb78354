import { afterEach, describe, expect, it, vi } from "vitest";
import { cutRows, plain, readRows } from "./text-rows";

const bytes = (text: string) => new TextEncoder().encode(text);
const cut = (text: string, whole = false, limit = 10) => cutRows(bytes(text), ",", limit, whole);

afterEach(() => vi.unstubAllGlobals());

/** A storage that answers ranges of these texts; tells what was asked of it. */
function storage(texts: Record<string, string>) {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (url: string, { headers }: { headers: { range: string } }) => {
    const [first, last] = headers.range.replace("bytes=", "").split("-").map(Number);
    asked.push(`${url} ${first}`);
    const body = bytes(texts[url] ?? "").slice(first, (last ?? 0) + 1);
    return new Response(body, { status: 206 });
  });
  const sources = Object.entries(texts).map(([url, text]) => plain({ url, sizeBytes: bytes(text).length }));
  return { sources, asked };
}

describe("cutRows", () => {
  it("tells null from the empty text, and reads quotes, delimiters and line ends inside them", () => {
    const { rows, end } = cut('1,,""\n"a,""b""\nc",é,5" wide\n');
    expect(rows).toEqual([
      ["1", null, ""],
      ['a,"b"\nc', "é", '5" wide'],
    ]);
    expect(end).toBe(bytes('1,,""\n"a,""b""\nc",é,5" wide\n').length);
  });
  it("leaves out a row that is cut off, and says where it begins", () => {
    expect(cut("1,2\n3,4")).toEqual({ rows: [["1", "2"]], end: 4 });
    expect(cut('1,2\n"3\n4')).toEqual({ rows: [["1", "2"]], end: 4 });
    expect(cut("1,2\n3,4", true)).toEqual({
      rows: [
        ["1", "2"],
        ["3", "4"],
      ],
      end: 7,
    });
    expect(cut("1\n2\n3\n", true, 2).end).toBe(4);
  });
  it("takes lines as they are", () => {
    const { rows } = cutRows(bytes('say "a, b\r\n\nend\n'), null, 10, true);
    expect(rows).toEqual([['say "a, b'], [""], ["end"]]);
  });
});

describe("readRows", () => {
  const dialect = { delimiter: ",", header: true, json: false };
  it("goes on where it stopped, past the names of columns and from file to file", async () => {
    const { sources } = storage({ one: "n\n1\n2\n", two: "n\n3\n4\n" });
    const first = await readRows(sources, dialect, { file: 0, offset: 0 }, 3);
    expect(first.rows).toEqual([["1"], ["2"], ["3"]]);
    expect(first.next).toEqual({ file: 1, offset: 4 });
    const second = await readRows(sources, dialect, { file: 1, offset: 4 }, 3);
    expect(second).toEqual({ rows: [["4"]], next: null });
  });
  it("reads more for a row that is longer than one read", async () => {
    const long = "x".repeat(2_500_000);
    const { sources, asked } = storage({ one: `n\n1\n${long}\n3\n` });
    const { rows } = await readRows(sources, dialect, { file: 0, offset: 0 }, 10);
    expect(rows.map((row) => row[0]?.length)).toEqual([1, 2_500_000, 1]);
    expect(asked).toEqual(["one 0", "one 4", "one 4"]);
  });
  it("says what the storage answered", async () => {
    vi.stubGlobal("fetch", async () => new Response("gone", { status: 403 }));
    const sources = [plain({ url: "one", sizeBytes: 5 })];
    await expect(readRows(sources, dialect, { file: 0, offset: 0 }, 1)).rejects.toThrow("The storage answered 403.");
  });
});
