import { describe, expect, it } from "vitest";
import { linesAround, rangeAround } from "./offender";

const bytes = (text: string) => new TextEncoder().encode(text);
const FILE = "id,amount\n1,10\n2,20\n3,abc\n4,40\n5,50\n6,60\n";
const at = FILE.indexOf("3,abc");

describe("linesAround", () => {
  it("shows the line with its number between its neighbours", () => {
    const lines = linesAround(bytes(FILE), 0, at, 4, true);
    expect(lines.map(({ number, text }) => [number, text])).toEqual([
      [2, "1,10"],
      [3, "2,20"],
      [4, "3,abc"],
      [5, "4,40"],
      [6, "5,50"],
    ]);
    expect(lines.filter((line) => line.meant).map((line) => line.text)).toEqual(["3,abc"]);
  });
  it("leaves out lines that the piece cuts", () => {
    const start = 3; // in the middle of the header
    const piece = bytes(FILE).subarray(start, FILE.indexOf("5,50") + 2);
    const lines = linesAround(piece, start, at, 4, false);
    expect(lines.map((line) => line.text)).toEqual(["1,10", "2,20", "3,abc", "4,40"]);
  });
  it("knows the first and the last line of a file", () => {
    expect(linesAround(bytes("a\nb"), 0, 0, 1, true).map((line) => line.text)).toEqual(["a", "b"]);
    expect(linesAround(bytes("a\r\nb\r\n"), 0, 3, 2, true).map((line) => line.text)).toEqual(["a", "b"]);
    expect(linesAround(bytes("a\n"), 0, 9, 4, true)).toEqual([]);
  });
  it("shows a line that is longer than the piece as far as it goes", () => {
    const [line] = linesAround(bytes("x".repeat(5000)), 0, 0, 1, false);
    expect([line?.text.length, line?.meant]).toEqual([1001, true]);
  });
});

describe("rangeAround", () => {
  it("never begins before the file", () => {
    expect(rangeAround(10)[0]).toBe(0);
    expect(rangeAround(10_000)).toEqual([8_000, 17_999]);
  });
});
