import { afterEach, describe, expect, it } from "vitest";
import { ago, bytes, cell, count, duration, percent, remaining, secondsBetween } from "./format";
import { speak } from "./i18n";

afterEach(() => speak("en", null));

describe("bytes", () => {
  it("uses decimal units with at most one digit", () => {
    expect([0, 999, 1000, 1536, 99_950, 53_687_091_200, -2500].map(bytes)).toEqual([
      "0 B",
      "999 B",
      "1.0 kB",
      "1.5 kB",
      "100 kB",
      "53.7 GB",
      "-2.5 kB",
    ]);
  });
  it("carries into the next unit instead of showing 1000", () => {
    expect([999_499, 999_500, 999_999].map(bytes)).toEqual(["999 kB", "1.0 MB", "1.0 MB"]);
  });
  it("shows a dash for what is not there", () => {
    expect([bytes(null), bytes(undefined), bytes(Number.NaN)]).toEqual(["–", "–", "–"]);
  });
});

describe("count", () => {
  it("separates thousands", () => expect(count(5_070_000)).toBe("5,070,000"));
});

describe("duration", () => {
  it("uses two units at most", () => {
    expect([0.04, 0.44, 9.96, 59.4, 59.6, 200, 3600, 7500, 90_000].map(duration)).toEqual([
      "< 0.1 s",
      "0.4 s",
      "10 s",
      "59 s",
      "1 min",
      "3 min 20 s",
      "1 h",
      "2 h 5 min",
      "1 d 1 h",
    ]);
  });
  it("has no text for the unknown", () =>
    expect([duration(null), duration(Infinity), duration(-1)]).toEqual(["–", "–", "–"]));
});

describe("remaining", () => {
  it("rounds up to whole seconds", () => {
    expect([0, 0.2, 4.3, 9.2, 61].map(remaining)).toEqual(["1 s", "1 s", "5 s", "10 s", "1 min 1 s"]);
  });
});

describe("percent", () => {
  it("never says 100 before the end", () => {
    expect([0, 0.999, 1, 1.2, -1].map(percent)).toEqual(["0 %", "99 %", "100 %", "100 %", "0 %"]);
  });
});

describe("times", () => {
  const now = Date.parse("2026-11-24T12:00:00Z");
  it("says how long ago", () => {
    expect(ago("2026-11-24T11:59:40Z", now)).toBe("just now");
    expect(ago("2026-11-24T11:55:00Z", now)).toBe("5 minutes ago");
    expect(ago("2026-11-23T11:00:00Z", now)).toBe("yesterday");
  });
  it("takes a clock that runs ahead for now", () => expect(ago("2026-11-24T12:00:05Z", now)).toBe("just now"));
  it("measures to now while there is no end", () => {
    expect(secondsBetween("2026-11-24T11:59:00Z", null, now)).toBe(60);
    expect(secondsBetween("2026-11-24T11:59:00Z", "2026-11-24T11:59:10Z", now)).toBe(10);
  });
});

describe("cell", () => {
  it("writes nested values as JSON", () =>
    expect([cell(1.5), cell([1]), cell(false)]).toEqual(["1.5", "[1]", "false"]));
});

describe("another language", () => {
  it("has its own signs in numbers, times and spans", () => {
    speak("de", { find: (_, key) => (key === "justNow" ? "gerade eben" : undefined) });
    const now = Date.parse("2026-11-24T12:00:00Z");
    expect([bytes(1536), count(5_070_000), duration(0.44)]).toEqual(["1,5 kB", "5.070.000", "0,4 s"]);
    expect([ago("2026-11-23T11:00:00Z", now), ago("2026-11-24T11:59:59Z", now)]).toEqual(["gestern", "gerade eben"]);
  });
});
