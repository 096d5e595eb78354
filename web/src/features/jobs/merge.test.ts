import { describe, expect, it } from "vitest";
import type { JobRowFragment, JobStatus } from "@/gql/graphql";
import { appendLines, type LogLine, MOST_LINES, markedParts, matching, mergeJobs, newer } from "./merge";

function job(
  id: string,
  sequence: number,
  status: JobStatus = "RUNNING",
  createdAt = `2026-11-24T00:00:0${id}Z`,
): JobRowFragment {
  return {
    id,
    sequence,
    status,
    createdAt,
    name: id,
    attempt: 1,
    maxAttempts: 3,
    startedAt: null,
    finishedAt: null,
    progress: null,
    error: null,
    cancelRequested: false,
  };
}
const line = (sequence: number): LogLine => ({
  cursor: `c${sequence}`,
  sequence,
  at: "",
  level: "INFO",
  message: `${sequence}`,
});
const live = (...jobs: JobRowFragment[]) => new Map(jobs.map((each) => [each.id, each]));

describe("newer", () => {
  it("does not let a late event undo the end", () => {
    expect(newer(job("1", 9, "SUCCEEDED"), job("1", 4, "RUNNING")).status).toBe("SUCCEEDED");
  });
});

describe("mergeJobs", () => {
  it("updates in place and puts new jobs in front, once", () => {
    const merged = mergeJobs(
      [job("2", 1), job("1", 1)],
      live(job("3", 1), job("1", 2, "FAILED"), job("2", 0, "PENDING")),
      null,
    );
    expect(merged.map((each) => [each.id, each.status])).toEqual([
      ["3", "RUNNING"],
      ["2", "RUNNING"],
      ["1", "FAILED"],
    ]);
  });
  it("leaves old jobs to the pages they belong to", () => {
    expect(mergeJobs([job("5", 1)], live(job("1", 3)), null).map((each) => each.id)).toEqual(["5"]);
  });
  it("fills an empty list", () => expect(mergeJobs([], live(job("1", 1)), null)).toHaveLength(1));
  it("drops a job from a filtered list as soon as its status no longer fits", () => {
    expect(mergeJobs([job("1", 1)], live(job("1", 2, "SUCCEEDED")), ["RUNNING"])).toEqual([]);
  });
});

describe("appendLines", () => {
  it("takes a replay after a reconnect only once", () => {
    const log = appendLines([], [line(1), line(2), line(3)]);
    expect(appendLines(log, [line(1), line(2), line(3), line(4)]).map((each) => each.sequence)).toEqual([1, 2, 3, 4]);
  });
  it("stays the same list when nothing is new, so that nothing is drawn again", () => {
    const log = appendLines([], [line(1)]);
    expect(appendLines(log, [line(1)])).toBe(log);
  });
  it("keeps the newest lines of an endless log", () => {
    const log = appendLines(
      [],
      Array.from({ length: MOST_LINES + 10 }, (_, index) => line(index)),
    );
    expect([log.length, log.at(-1)?.sequence]).toEqual([MOST_LINES, MOST_LINES + 9]);
  });
});

describe("searching the log", () => {
  const log = [line(1), line(2)].map((each, index) => ({
    ...each,
    message: index ? "Wrote 5 rows" : "Reading rows.csv",
  }));
  it("finds messages and levels in any case", () => {
    expect(matching(log, " WROTE ").map((each) => each.sequence)).toEqual([2]);
    expect(matching(log, "info")).toHaveLength(2);
    expect(matching(log, "")).toBe(log);
    expect(matching(log, "nowhere")).toEqual([]);
  });
  it("marks each place", () => {
    expect(markedParts("Rows in, rows out", "rows")).toEqual(["", "Rows", " in, ", "rows", " out"]);
    expect(markedParts("nothing", "rows")).toEqual(["nothing"]);
    expect(markedParts("a", " ")).toEqual(["a"]);
    expect(markedParts("İrows", "rows")).toEqual(["İrows"]);
  });
});
