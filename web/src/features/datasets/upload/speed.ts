/** Speed and time left from samples of a growing counter. Pure: the caller brings the clock. */

export interface Sample {
  time: number;
  bytes: number;
}

/** Samples older than this do not count, in milliseconds: long enough to be calm, short enough to notice a change. */
export const WINDOW = 15_000;

/** Add a sample and drop the old ones; a counter that falls (a part begins again) starts a new window. */
export function addSample(samples: readonly Sample[], time: number, bytes: number): Sample[] {
  const last = samples.at(-1);
  if (last && bytes < last.bytes) return [{ time, bytes }];
  if (last && time - last.time < 200) return [...samples];
  return [...samples.filter((sample) => sample.time >= time - WINDOW), { time, bytes }];
}

/** Bytes per second over the window; null while there is too little to tell. */
export function speed(samples: readonly Sample[], now: number): number | null {
  const first = samples[0];
  const last = samples.at(-1);
  if (!first || !last || last.time - first.time < 500) return null;
  // time without a new byte counts: a stalled upload slows down on screen instead of freezing at its last speed
  const seconds = (Math.max(now, last.time) - first.time) / 1000;
  return (last.bytes - first.bytes) / seconds;
}

/** Seconds until `total`; null when nobody can tell. */
export function secondsLeft(bytes: number, total: number, perSecond: number | null): number | null {
  if (bytes >= total) return 0;
  return perSecond === null || perSecond <= 0 ? null : (total - bytes) / perSecond;
}
