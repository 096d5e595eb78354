import { describe, expect, it } from "vitest";
import { dateText, decimalText, timestampText } from "./values";

describe("values of Parquet", () => {
  it("are days before and after 1970", () => {
    expect([dateText(0), dateText(-1), dateText(20_785)]).toEqual(["1970-01-01", "1969-12-31", "2026-11-28"]);
  });
  it("are times with as much of a fraction as there is", () => {
    expect(timestampText(0n, 3)).toBe("1970-01-01T00:00:00");
    expect(timestampText(1_500n, 3)).toBe("1970-01-01T00:00:01.500");
    expect(timestampText(1_000_001n, 6)).toBe("1970-01-01T00:00:01.000001");
    expect(timestampText(-1n, 6)).toBe("1969-12-31T23:59:59.999999");
    expect(timestampText(1_500_000_000n, 9)).toBe("1970-01-01T00:00:01.500");
  });
  it("are decimals to the last digit", () => {
    expect(decimalText(1_234, 2)).toBe("12.34");
    expect(decimalText(-5n, 2)).toBe("-0.05");
    expect(decimalText(123_456_789_012_345_678_901_234n, 4)).toBe("12345678901234567890.1234");
    expect(decimalText(new Uint8Array([0xff, 0x85]), 1)).toBe("-12.3");
    expect(decimalText(7, 0)).toBe("7");
  });
});
