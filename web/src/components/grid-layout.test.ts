import { describe, expect, it } from "vitest";
import { fill, widths } from "./grid-layout";

describe("widths", () => {
  it("fit names and values, within bounds", () => {
    const [short = 0, long = 0, huge = 0] = widths(
      ["a", "b", "c"],
      [
        [1, "a city with a name", "x".repeat(500)],
        [null, "", ""],
      ],
    );
    expect(short).toBe(72);
    expect(long).toBeGreaterThan(150);
    expect(huge).toBe(384);
  });
  it("do without rows", () => expect(widths(["a name that is long"], [])[0]).toBeGreaterThan(150));
  it("look at rows from the first to the last", () => {
    const rows = (at: number) => Array.from({ length: 1000 }, (_, index) => [index === at ? "x".repeat(30) : "a"]);
    expect(widths(["a"], rows(0))[0]).toBeGreaterThan(250);
    expect(widths(["a"], rows(999))[0]).toBeGreaterThan(250);
    expect(widths(["a"], [["x".repeat(30)]])[0]).toBeGreaterThan(250);
  });
});

describe("fill", () => {
  it("gives what is left over to the last column", () => expect(fill([100, 100], 300)).toEqual([100, 200]));
  it("never makes a column narrower", () => expect(fill([100, 100], 50)).toEqual([100, 100]));
  it("does with no columns", () => expect(fill([], 50)).toEqual([]));
});
