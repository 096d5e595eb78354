import { Select, TextField } from "@/components/ui";
import { dayName, EVERY, type Every, type Rhythm, toCron } from "./cron";
import { m } from "./messages";

const WORDS: Record<Every, () => string> = {
  hour: () => m.everyHour,
  day: () => m.everyDay,
  weekday: () => m.mondayToFriday,
  week: () => m.everyWeek,
  month: () => m.everyMonth,
  custom: () => m.byCronExpression,
};

interface Props {
  rhythm: Rhythm;
  change: (rhythm: Rhythm) => void;
  error: string | null;
}

/** How often, and when. */
export function RhythmFields({ rhythm, change, error }: Props) {
  const { every } = rhythm;
  const choose = (next: Every) =>
    // from a form to an expression: begin with what the form said
    change({ ...rhythm, every: next, cron: next === "custom" && every !== "custom" ? toCron(rhythm) : rhythm.cron });
  return (
    <div className="grid gap-4 sm:grid-cols-3">
      <Select label={m.runs} value={every} onChange={(event) => choose(event.target.value as Every)}>
        {EVERY.map((each) => (
          <option key={each} value={each}>
            {WORDS[each]()}
          </option>
        ))}
      </Select>
      {every === "week" && (
        <Select
          label={m.onWeekday}
          value={String(rhythm.day)}
          onChange={(event) => change({ ...rhythm, day: Number(event.target.value) })}
        >
          {[0, 1, 2, 3, 4, 5, 6].map((day) => (
            <option key={day} value={day}>
              {dayName(day)}
            </option>
          ))}
        </Select>
      )}
      {every === "month" && (
        <TextField
          label={m.onDay}
          type="number"
          min={1}
          max={31}
          required
          hint={rhythm.date > 28 ? m.monthsWithoutThisDay : undefined}
          value={String(rhythm.date)}
          onChange={(event) => change({ ...rhythm, date: Number(event.target.value) })}
        />
      )}
      {every === "hour" && (
        <TextField
          label={m.minutesPastTheHour}
          type="number"
          min={0}
          max={59}
          required
          value={String(Number(rhythm.time.slice(3)))}
          onChange={(event) => change({ ...rhythm, time: `00:${event.target.value.padStart(2, "0")}` })}
        />
      )}
      {every === "custom" ? (
        <TextField
          label={m.cronExpression}
          required
          className="font-mono"
          placeholder="0 6 * * 1-5"
          value={rhythm.cron}
          error={error}
          hint={m.fieldsOfCron}
          onChange={(event) => change({ ...rhythm, cron: event.target.value })}
        />
      ) : (
        every !== "hour" && (
          <TextField
            label={m.at}
            type="time"
            required
            value={rhythm.time}
            error={error}
            onChange={(event) => change({ ...rhythm, time: event.target.value })}
          />
        )
      )}
    </div>
  );
}
