/** Numbers, sizes, times as people read them, in the language of now. Absent values become an en dash. */
import { formatNumber, formatRelative, formatTime, locale } from "./i18n";
import { m } from "./messages";

const NONE = "–";
const UNITS = ["bytes", "kilobytes", "megabytes", "gigabytes", "terabytes", "petabytes"] as const;

/** Bytes in decimal units: `1.5 GB`. */
export function bytes(value: number | null | undefined): string {
  if (value == null || !Number.isFinite(value)) return NONE;
  let amount = Math.abs(value);
  let unit = 0;
  while (amount >= 999.5 && unit < UNITS.length - 1) {
    amount /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || amount >= 99.95 ? 0 : 1;
  return m[UNITS[unit] ?? "petabytes"]({ amount: fixed(value < 0 ? -amount : amount, digits) });
}

/** Whole numbers with separators: `5,070,000`. */
export function count(value: number | null | undefined): string {
  return value == null || !Number.isFinite(value) ? NONE : formatNumber(Math.round(value));
}

/** With so many digits behind the point: `2.50`. */
export function fixed(value: number, digits: number): string {
  return formatNumber(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A span of time in seconds: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds) || seconds < 0) return NONE;
  if (seconds < 0.05) return m.lessThan({ amount: m.seconds({ amount: fixed(0.1, 1) }) });
  if (seconds < 9.95) return m.seconds({ amount: fixed(seconds, 1) });
  const whole = Math.round(seconds);
  if (whole < 60) return m.seconds({ amount: whole });
  const [minutes, hours, days] = [Math.floor(whole / 60), Math.floor(whole / 3600), Math.floor(whole / 86400)];
  if (minutes < 60) return join("minutes", minutes, "seconds", whole % 60);
  if (hours < 24) return join("hours", hours, "minutes", minutes % 60);
  return join("days", days, "hours", hours % 24);
}

/** Time left, which nobody knows to a tenth: whole seconds. */
export function remaining(seconds: number): string {
  const whole = Math.max(Math.ceil(seconds), 1);
  return whole < 10 ? m.seconds({ amount: whole }) : duration(whole);
}

type Unit = "seconds" | "minutes" | "hours" | "days";

function join(unit: Unit, amount: number, smaller: Unit, rest: number): string {
  const larger = m[unit]({ amount });
  return rest === 0 ? larger : m.timeInTwoUnits({ larger, smaller: m[smaller]({ amount: rest }) });
}

/** A share between 0 and 1: `42 %`; never 100 % before the end. */
export function percent(fraction: number | null | undefined): string {
  if (fraction == null || !Number.isFinite(fraction)) return NONE;
  const clamped = Math.min(Math.max(fraction, 0), 1);
  return m.percent({ amount: clamped === 1 ? 100 : Math.min(Math.floor(clamped * 100), 99) });
}

const AGO: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

/** How long ago an ISO time was: `just now`, `5 minutes ago`, `yesterday`. Clock skew never shows the future. */
export function ago(iso: string, now: number = Date.now()): string {
  const seconds = Math.max((now - Date.parse(iso)) / 1000, 0);
  for (const [unit, size] of AGO) {
    if (seconds >= size) return formatRelative(-Math.floor(seconds / size), unit);
  }
  return m.justNow;
}

/** An ISO time in the reader's zone, for titles and details. */
export function dateTime(iso: string): string {
  return new Date(iso).toLocaleString(locale.get().region, { dateStyle: "medium", timeStyle: "medium" });
}

/** The clock of an ISO time in the reader's zone, to the second: `18:05:00`. */
export function clock(iso: string): string {
  return formatTime(new Date(iso), { timeStyle: "medium" });
}

/** Seconds between two ISO times; to now when the second is absent. */
export function secondsBetween(start: string, end: string | null | undefined, now: number = Date.now()): number {
  return Math.max(((end ? Date.parse(end) : now) - Date.parse(start)) / 1000, 0);
}

/** A cell of a preview as text; null is told apart from the empty text by the caller. */
export function cell(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}
