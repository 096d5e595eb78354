import { describe, expect, it } from "vitest";
import type { HealthFragment } from "@/gql/graphql";
import { addPoint, MOST, type Point, pointOf } from "./series";

const health = (changes: object = {}) =>
  ({
    at: "2026-11-28T10:00:00Z",
    jobs: [
      { status: "PENDING", count: 9 },
      { status: "RUNNING", count: 2 },
    ],
    queueDepth: 9,
    machine: {
      cores: 4,
      load: 2,
      memoryTotalBytes: 1000,
      memoryAvailableBytes: 250,
      diskTotalBytes: 200,
      diskFreeBytes: 150,
      ...changes,
    },
  }) as unknown as HealthFragment;
const at = (time: number): Point => ({ at: time, load: null, memory: null, disk: 0, queued: 0, running: 0 });

describe("pointOf", () => {
  it("turns sizes into shares", () => {
    expect(pointOf(health())).toEqual({ at: 1795860000, load: 0.5, memory: 0.75, disk: 0.25, queued: 9, running: 2 });
  });
  it("keeps the unknown unknown", () => {
    const point = pointOf(health({ load: null, memoryAvailableBytes: null }));
    expect([point.load, point.memory]).toEqual([null, null]);
  });
  it("tells a full memory from an unknown one", () => {
    expect(pointOf(health({ memoryAvailableBytes: 0 })).memory).toBe(1);
  });
});

describe("addPoint", () => {
  it("never goes back in time", () => {
    const series = addPoint(addPoint([], at(1)), at(2));
    expect(addPoint(series, at(2))).toBe(series);
    expect(addPoint(series, at(1))).toBe(series);
    expect(addPoint(series, at(3)).map((point) => point.at)).toEqual([1, 2, 3]);
  });
  it("forgets what is too old", () => {
    let series: readonly Point[] = [];
    for (let time = 1; time <= MOST + 5; time += 1) series = addPoint(series, at(time));
    expect([series.length, series[0]?.at]).toEqual([MOST, 6]);
  });
});
