import { describe, expect, it } from "vitest";
import { heights, part, told, value } from "./figures";

const bin = (lower: unknown, upper: unknown, count: number) => ({ lower, upper, count });

describe("value", () => {
  it("writes what engines say", () =>
    expect([1234567.891, 0.1 + 0.2, "2026-01-31", null, true].map(value)).toEqual([
      "1,234,567.891",
      "0.3",
      "2026-01-31",
      "–",
      "true",
    ]));
});

describe("part", () => {
  it("never calls something nothing, or not all all", () => {
    expect([part(0, 10), part(1, 1000), part(120, 1000), part(999, 1000), part(0, 0)]).toEqual([
      "0",
      "1 (< 1 %)",
      "120 (12 %)",
      "999 (99 %)",
      "0",
    ]);
  });
});

describe("heights", () => {
  it("measure by the fullest bin and show the nearly empty", () => {
    expect(heights([bin(0, 1, 100), bin(1, 2, 50), bin(2, 3, 1), bin(3, 4, 0)])).toEqual([1, 0.5, 0.03, 0]);
    expect(heights([])).toEqual([]);
    expect(heights([bin(0, 1, 0)])).toEqual([0]);
  });
});

describe("told", () => {
  it("says range and mode", () => {
    expect(told("amount", [bin(0, 10, 3), bin(10, 20, 9)])).toBe(
      "Histogram of amount from 0 to 20; most values lie between 10 and 20",
    );
    expect(told("amount", [])).toBe("Histogram of amount: no values");
  });
});
