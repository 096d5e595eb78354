import { expect, describe as group, it } from "vitest";
import { describe, fromCron, inZone, START, toCron } from "./cron";

group("toCron and fromCron", () => {
  it("write what they read", () => {
    for (const cron of ["5 * * * *", "0 6 * * *", "30 18 * * 1-5", "0 6 * * 0", "15 7 28 * *"])
      expect(toCron(fromCron(cron))).toBe(cron);
  });
  it("leave what the form has no fields for as it is", () => {
    for (const cron of ["*/5 * * * *", "0 6 1 * 1", "0 6 * JAN *", "0 6 L * *", "5 * 1 * *", "", "a b"]) {
      expect(fromCron(cron).every).toBe("custom");
      expect(toCron(fromCron(cron))).toBe(cron);
    }
  });
  it("write the fields of each rhythm", () => {
    const all = (["hour", "day", "weekday", "week", "month", "custom"] as const).map((every) =>
      toCron({ ...START, every, time: "18:05", day: 6, date: 31, cron: " 0 0 * * MON#1 " }),
    );
    expect(all).toEqual(["5 * * * *", "5 18 * * *", "5 18 * * 1-5", "5 18 * * 6", "5 18 31 * *", "0 0 * * MON#1"]);
  });
});

group("describe", () => {
  it("uses words where there are some", () => {
    expect(["5 * * * *", "0 6 * * *", "0 6 * * 1-5", "0 6 * * 1", "0 6 3 * *", "*/5 * * * *"].map(describe)).toEqual([
      "every hour, 5 minutes past",
      "every day at 06:00",
      "Monday to Friday at 06:00",
      "every Monday at 06:00",
      "on day 3 of every month at 06:00",
      "*/5 * * * *",
    ]);
  });
});

group("inZone", () => {
  it("shows the clock of the zone", () => {
    expect(inZone("2026-12-01T05:00:00Z", "Europe/Berlin")).toMatch(/1 Dec 2026.*06:00/);
    expect(inZone("2026-12-01T05:00:00Z", "Nowhere/Land")).toMatch(/2026/);
  });
});
