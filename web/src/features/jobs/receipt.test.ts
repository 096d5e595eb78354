import { describe, expect, it } from "vitest";
import { throughSteps, toReceipt } from "./receipt";

describe("receipt", () => {
  it("tells rows before and after each step, and leaves the unknown unknown", () => {
    const steps = [
      { step: "filter", rowsOut: 40 },
      { step: "select", rowsOut: null },
      { step: "limit", rowsOut: 10 },
    ];
    const through = throughSteps(toReceipt({ rowsIn: 100, steps }));
    expect(through.map(({ rowsIn, rowsOut }) => [rowsIn, rowsOut])).toEqual([
      [100, 40],
      [40, null],
      [null, 10],
    ]);
  });
  it("reads receipts of other versions", () => {
    for (const other of [null, undefined, "x", {}, { steps: null, attempts: 3 }]) {
      expect(toReceipt(other)).toMatchObject({ steps: [], attempts: [], inputs: [], worker: null });
    }
  });
});
