/** Cron expressions as the form shows them. What an expression means is the server's to say; this only writes common ones. */
import { formatTime } from "@/lib/i18n";
import { m } from "./messages";

export const EVERY = ["hour", "day", "weekday", "week", "month", "custom"] as const;
export type Every = (typeof EVERY)[number];

/** Name of a day of the week; 0 is Sunday. */
export function dayName(day: number): string {
  // the first Sunday of the epoch was its fourth day
  return formatTime(new Date(Date.UTC(1970, 0, 4 + day)), { weekday: "long", timeZone: "UTC" });
}

/** When a schedule runs. `time` is HH:MM, of which an hourly one uses the minutes; `day` is one of the week, 0 is Sunday. */
export interface Rhythm {
  every: Every;
  time: string;
  day: number;
  date: number;
  cron: string;
}

export const START: Rhythm = { every: "day", time: "06:00", day: 1, date: 1, cron: "" };

/** The five fields of a rhythm. */
export function toCron({ every, time, day, date, cron }: Rhythm): string {
  const [hour = 0, minute = 0] = time.split(":").map(Number);
  switch (every) {
    case "hour":
      return `${minute} * * * *`;
    case "day":
      return `${minute} ${hour} * * *`;
    case "weekday":
      return `${minute} ${hour} * * 1-5`;
    case "week":
      return `${minute} ${hour} * * ${day}`;
    case "month":
      return `${minute} ${hour} ${date} * *`;
    case "custom":
      return cron.trim();
  }
}

const two = (value: string) => value.padStart(2, "0");

/** The rhythm of an expression; a custom one when the form has no fields for it. */
export function fromCron(cron: string): Rhythm {
  const custom: Rhythm = { ...START, every: "custom", cron };
  const match = /^(\d{1,2}) (\*|\d{1,2}) (\*|\d{1,2}) \* (\*|1-5|[0-6])$/.exec(cron.trim());
  if (!match) return custom;
  const [, minute = "0", hour = "0", date = "*", day = "*"] = match;
  const found = (every: Every, rest: Partial<Rhythm> = {}): Rhythm => ({
    ...START,
    every,
    cron,
    time: `${two(hour === "*" ? "0" : hour)}:${two(minute)}`,
    ...rest,
  });
  if (hour === "*") return date === "*" && day === "*" ? found("hour") : custom;
  if (date !== "*") return day === "*" ? found("month", { date: Number(date) }) : custom;
  if (day === "*") return found("day");
  return day === "1-5" ? found("weekday") : found("week", { day: Number(day) });
}

/** An expression in words: `every Monday at 06:00`; the expression itself when there are none for it. */
export function describe(cron: string): string {
  const { every, time, day, date } = fromCron(cron);
  switch (every) {
    case "hour":
      return m.everyHourMinutesPast({ count: Number(time.slice(3)) });
    case "day":
      return m.everyDayAt({ time });
    case "weekday":
      return m.mondayToFridayAt({ time });
    case "week":
      return m.everyWeekdayAt({ day: dayName(day), time });
    case "month":
      return m.onDayOfEveryMonth({ date, time });
    case "custom":
      return cron;
  }
}

/** A time on a zone's clock: `Mon 1 Dec 2026, 06:00 GMT+1`; in the reader's zone when the browser does not know the zone. */
export function inZone(iso: string, timeZone: string): string {
  const options: Intl.DateTimeFormatOptions = {
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    timeZoneName: "short",
  };
  try {
    return formatTime(new Date(iso), { ...options, timeZone });
  } catch {
    return formatTime(new Date(iso), options);
  }
}
