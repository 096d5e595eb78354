import { Select, TextField } from "@/components/ui";
import { DAYS, EVERY, type Every, type Rhythm, toCron } from "./cron";

const WORDS: Record<Every, string> = {
  hour: "every hour",
  day: "every day",
  weekday: "Monday to Friday",
  week: "every week",
  month: "every month",
  custom: "by a cron expression",
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
      <Select label="Runs" value={every} onChange={(event) => choose(event.target.value as Every)}>
        {EVERY.map((each) => (
          <option key={each} value={each}>
            {WORDS[each]}
          </option>
        ))}
      </Select>
      {every === "week" && (
        <Select
          label="On"
          value={String(rhythm.day)}
          onChange={(event) => change({ ...rhythm, day: Number(event.target.value) })}
        >
          {DAYS.map((name, index) => (
            <option key={name} value={index}>
              {name}
            </option>
          ))}
        </Select>
      )}
      {every === "month" && (
        <TextField
          label="On day"
          type="number"
          min={1}
          max={31}
          required
          hint={rhythm.date > 28 ? "Months without this day are left out." : undefined}
          value={String(rhythm.date)}
          onChange={(event) => change({ ...rhythm, date: Number(event.target.value) })}
        />
      )}
      {every === "hour" && (
        <TextField
          label="Minutes past the hour"
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
          label="Cron expression"
          required
          className="font-mono"
          placeholder="0 6 * * 1-5"
          value={rhythm.cron}
          error={error}
          hint="Minute, hour, day of month, month, day of week."
          onChange={(event) => change({ ...rhythm, cron: event.target.value })}
        />
      ) : (
        every !== "hour" && (
          <TextField
            label="At"
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
