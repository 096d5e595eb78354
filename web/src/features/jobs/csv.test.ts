import { describe, expect, it } from "vitest";
import { parseCsv } from "./csv";

describe("parseCsv", () => {
  it("reads quotes, commas and line ends inside them", () => {
    expect(parseCsv('line,raw\n7,"a,""b""\nc"\r\n8,\n', true)).toEqual([
      ["line", "raw"],
      ["7", 'a,"b"\nc'],
      ["8", ""],
    ]);
  });
  it("leaves out what is cut off, and nothing of a whole text", () => {
    expect(parseCsv("a,b\n1,2\n3,", false)).toEqual([
      ["a", "b"],
      ["1", "2"],
    ]);
    expect(parseCsv("a,b\n3,", true).at(-1)).toEqual(["3", ""]);
    expect(parseCsv('a\n"half of a te', false)).toEqual([["a"]]);
    expect(parseCsv("", true)).toEqual([]);
  });
});
