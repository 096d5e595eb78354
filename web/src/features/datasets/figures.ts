/** How the figures of a profile are written and drawn. Pure. */
import { cell, count, percent } from "@/lib/format";
import { formatNumber } from "@/lib/i18n";
import { m } from "./messages";

export interface Bin {
  lower: unknown;
  upper: unknown;
  count: number;
}

/** A value of a profile: numbers with separators, the rest as it is. */
export function value(given: unknown): string {
  if (given === null || given === undefined) return "–";
  if (typeof given === "number") return formatNumber(given, { maximumFractionDigits: 6 });
  return cell(given);
}

/** A part of a whole: `1,200 (12 %)`; more than nothing is never `0 %`. */
export function part(some: number, all: number): string {
  if (all === 0 || some === 0) return count(some);
  const share = some / all;
  return `${count(some)} (${share < 0.01 ? m.under({ share: percent(0.01) }) : percent(share)})`;
}

/** Heights of the bars, 0 to 1; what holds anything is seen. */
export function heights(bins: readonly Bin[]): number[] {
  const most = Math.max(...bins.map((bin) => bin.count), 1);
  return bins.map((bin) => (bin.count === 0 ? 0 : Math.max(bin.count / most, 0.03)));
}

/** What a histogram shows, for those who do not see it. */
export function told(name: string, bins: readonly Bin[]): string {
  const [first, last] = [bins[0], bins.at(-1)];
  if (!first || !last) return m.histogramOfNoValues({ name });
  const fullest = bins.reduce((one, other) => (other.count > one.count ? other : one));
  const [least, greatest] = [value(first.lower), value(last.upper)];
  return m.histogram({ name, least, greatest, lower: value(fullest.lower), upper: value(fullest.upper) });
}
