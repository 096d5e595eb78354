/** What the live page has seen so far, as the charts draw it. Pure. */
import type { HealthFragment } from "@/gql/graphql";

/** Points that are kept: half an hour at one every two seconds. */
export const MOST = 900;

/** One moment. Shares are 0 to 1; null where the machine does not tell. `at` in Unix seconds. */
export interface Point {
  at: number;
  load: number | null;
  memory: number | null;
  disk: number;
  queued: number;
  running: number;
}

export function pointOf(health: HealthFragment): Point {
  const { machine } = health;
  const { memoryTotalBytes: total, memoryAvailableBytes: available } = machine;
  return {
    at: Date.parse(health.at) / 1000,
    load: machine.load === null ? null : machine.load / machine.cores,
    memory: total && available !== null ? 1 - available / total : null,
    disk: 1 - machine.diskFreeBytes / machine.diskTotalBytes,
    queued: health.queueDepth,
    running: health.jobs.find((each) => each.status === "RUNNING")?.count ?? 0,
  };
}

/** The series with a new point; one that is no later than the last (sent again after a lost connection) changes nothing. */
export function addPoint(series: readonly Point[], point: Point): readonly Point[] {
  const last = series.at(-1);
  if (last && point.at <= last.at) return series;
  return [...series, point].slice(-MOST);
}
