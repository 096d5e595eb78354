import { Badge } from "@/components/data";
import { Note } from "@/components/layout";
import { Words } from "@/components/words";
import type { ScheduleOutcome, ScheduleRowFragment } from "@/gql/graphql";

/** Whether it runs, and if not, whose doing that is. */
export function ScheduleState({ schedule }: { schedule: ScheduleRowFragment }) {
  if (schedule.disabledReason) return <Badge tone="bad">Stopped</Badge>;
  if (!schedule.enabled) return <Badge tone="neutral">Paused</Badge>;
  return schedule.lastOutcome === "REFUSED" ? <Badge tone="warn">Refused</Badge> : <Badge tone="good">On</Badge>;
}

export const OUTCOMES: Record<ScheduleOutcome, string> = {
  STARTED: "started a job",
  SKIPPED: "left out: the job before had not ended",
  REFUSED: "no job could be made",
};

/** Why nothing runs, in place. */
export function ScheduleNotes({ schedule }: { schedule: ScheduleRowFragment }) {
  const { disabledReason, lastError, lastOutcome } = schedule;
  return (
    <>
      {disabledReason && (
        <Note
          tone="bad"
          title={<Words text={disabledReason.message} />}
          hint="Mend it below, then let the schedule run again."
        />
      )}
      {lastOutcome === "REFUSED" && lastError && (
        <Note tone="warn" title="The last run that was due made no job." hint={<Words text={lastError.message} />} />
      )}
    </>
  );
}
