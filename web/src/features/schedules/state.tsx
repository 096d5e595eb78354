import { Badge } from "@/components/data";
import { Note } from "@/components/layout";
import { Words } from "@/components/words";
import type { ScheduleOutcome, ScheduleRowFragment } from "@/gql/graphql";
import { m } from "./messages";

/** Whether it runs, and if not, whose doing that is. */
export function ScheduleState({ schedule }: { schedule: ScheduleRowFragment }) {
  if (schedule.disabledReason) return <Badge tone="bad">{m.stopped}</Badge>;
  if (!schedule.enabled) return <Badge tone="neutral">{m.paused}</Badge>;
  return schedule.lastOutcome === "REFUSED" ? (
    <Badge tone="warn">{m.refused}</Badge>
  ) : (
    <Badge tone="good">{m.isOn}</Badge>
  );
}

export const OUTCOMES: Record<ScheduleOutcome, () => string> = {
  STARTED: () => m.startedAJob,
  SKIPPED: () => m.leftOut,
  REFUSED: () => m.noJobCouldBeMade,
};

/** Why nothing runs, in place. */
export function ScheduleNotes({ schedule }: { schedule: ScheduleRowFragment }) {
  const { disabledReason, lastError, lastOutcome } = schedule;
  return (
    <>
      {disabledReason && <Note tone="bad" title={<Words text={disabledReason.message} />} hint={m.mendItBelow} />}
      {lastOutcome === "REFUSED" && lastError && (
        <Note tone="warn" title={m.lastRunMadeNoJob} hint={<Words text={lastError.message} />} />
      )}
    </>
  );
}
