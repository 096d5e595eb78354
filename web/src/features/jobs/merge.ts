/** Keeping lists and logs right while events arrive late, twice, or after a lost connection. */
import type { JobLogSubscription, JobRowFragment, JobStatus } from "@/gql/graphql";

export type LogLine = JobLogSubscription["jobLog"];

/** Lines kept in the page; the whole log stays at the server. */
export const MOST_LINES = 5000;

/** The newer of two states of one job: `sequence` grows with each change. */
export function newer(one: JobRowFragment, other: JobRowFragment): JobRowFragment {
  return other.sequence >= one.sequence ? other : one;
}

/** The list with what came live: known jobs are updated, unknown ones come in front, newest first. */
export function mergeJobs(
  list: readonly JobRowFragment[],
  live: ReadonlyMap<string, JobRowFragment>,
  statuses: readonly JobStatus[] | null,
): JobRowFragment[] {
  const known = new Set(list.map((job) => job.id));
  const oldest = list.at(-1)?.createdAt;
  const fresh = [...live.values()]
    .filter((job) => !known.has(job.id))
    // an old job that changes belongs to a page that was not loaded yet
    .filter((job) => oldest === undefined || job.createdAt >= oldest)
    .sort((one, other) => other.createdAt.localeCompare(one.createdAt));
  const merged = [...fresh, ...list.map((job) => newer(job, live.get(job.id) ?? job))];
  return statuses ? merged.filter((job) => statuses.includes(job.status)) : merged;
}

/** Add lines to a log in order: a reconnect sends the beginning again, which must not show twice. */
export function appendLines(log: readonly LogLine[], lines: readonly LogLine[]): readonly LogLine[] {
  let last = log.at(-1)?.sequence ?? Number.NEGATIVE_INFINITY;
  const fresh: LogLine[] = [];
  for (const line of lines) {
    if (line.sequence <= last) continue;
    fresh.push(line);
    last = line.sequence;
  }
  return fresh.length === 0 ? log : [...log, ...fresh].slice(-MOST_LINES);
}

export function isEnded(status: JobStatus): boolean {
  return status === "SUCCEEDED" || status === "FAILED" || status === "CANCELLED";
}

/** The lines whose level or message has the text, whatever its case; all of them for none. */
export function matching(log: readonly LogLine[], wanted: string): readonly LogLine[] {
  const text = wanted.trim().toLowerCase();
  return text === "" ? log : log.filter((line) => `${line.level} ${line.message}`.toLowerCase().includes(text));
}

/** A text cut at each place of another, whatever its case: every second part is such a place. */
export function markedParts(text: string, wanted: string): string[] {
  const needle = wanted.trim().toLowerCase();
  if (needle === "") return [text];
  const parts: string[] = [];
  const folded = text.toLowerCase();
  let from = 0;
  // a letter whose small form is longer would shift every place behind it
  for (
    let at = folded.length === text.length ? folded.indexOf(needle) : -1;
    at >= 0;
    at = folded.indexOf(needle, from)
  ) {
    parts.push(text.slice(from, at), text.slice(at, at + needle.length));
    from = at + needle.length;
  }
  return [...parts, text.slice(from)];
}
