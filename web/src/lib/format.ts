/** Numbers, sizes, times as people read them. All functions are pure; absent values become an en dash. */

const NONE = "–";
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

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
  return `${value < 0 ? "-" : ""}${amount.toFixed(digits)} ${UNITS[unit]}`;
}

/** Whole numbers with separators: `5,070,000`. */
export function count(value: number | null | undefined): string {
  return value == null || !Number.isFinite(value) ? NONE : Math.round(value).toLocaleString("en-US");
}

/** `1 row`, `5,070 rows`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A span of time in seconds: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds) || seconds < 0) return NONE;
  if (seconds < 0.05) return "< 0.1 s";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const [minutes, hours, days] = [Math.floor(whole / 60), Math.floor(whole / 3600), Math.floor(whole / 86400)];
  if (minutes < 60) return join(minutes, "min", whole % 60, "s");
  if (hours < 24) return join(hours, "h", minutes % 60, "min");
  return join(days, "d", hours % 24, "h");
}

/** Time left, which nobody knows to a tenth: whole seconds. */
export function remaining(seconds: number): string {
  const whole = Math.max(Math.ceil(seconds), 1);
  return whole < 10 ? `${whole} s` : duration(whole);
}

function join(first: number, unit: string, second: number, smaller: string): string {
  return second === 0 ? `${first} ${unit}` : `${first} ${unit} ${second} ${smaller}`;
}

/** A share between 0 and 1: `42 %`; never 100 % before the end. */
export function percent(fraction: number | null | undefined): string {
  if (fraction == null || !Number.isFinite(fraction)) return NONE;
  const clamped = Math.min(Math.max(fraction, 0), 1);
  return `${clamped === 1 ? 100 : Math.min(Math.floor(clamped * 100), 99)} %`;
}

const AGO: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** How long ago an ISO time was: `just now`, `5 minutes ago`, `yesterday`. Clock skew never shows the future. */
export function ago(iso: string, now: number = Date.now()): string {
  const seconds = Math.max((now - Date.parse(iso)) / 1000, 0);
  for (const [unit, size] of AGO) {
    if (seconds >= size) return relative.format(-Math.floor(seconds / size), unit);
  }
  return "just now";
}

/** An ISO time in the reader's zone, for titles and details. */
export function dateTime(iso: string): string {
  return new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** Seconds between two ISO times; to now when the second is absent. */
export function secondsBetween(start: string, end: string | null | undefined, now: number = Date.now()): number {
  return Math.max(((end ? Date.parse(end) : now) - Date.parse(start)) / 1000, 0);
}

/** A cell of a preview as text; null is told apart from the empty text by the caller. */
export function cell(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}
