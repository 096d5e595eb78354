import { useEffect, useState } from "react";
import { useQuery } from "urql";
import { Panel } from "@/components/layout";
import { JobHistoryDocument, type JobRowFragment } from "@/gql/graphql";
import { dateTime } from "@/lib/format";
import { m } from "./messages";

const WORDS: Record<string, () => string> = {
  created: () => m.made,
  claimed: () => m.aWorkerTookIt,
  published: () => m.resultWasPublished,
  failed: () => m.failed,
  requeued: () => m.queuedAgain,
  cancelRequested: () => m.cancelWasAsked,
  cancelled: () => m.cancelled,
  retried: () => m.queuedAgainByPerson,
  resultExpired: () => m.resultExpired,
  rejectsExpired: () => m.rejectedRowsExpired,
};

const told = (kind: string) => WORDS[kind]?.() ?? kind;

/** What happened to a job, with its attempts: read when it is opened, and whenever the job has changed that much. */
export function History({ job }: { job: JobRowFragment }) {
  const [open, setOpen] = useState(false);
  const [{ data }, again] = useQuery({ query: JobHistoryDocument, variables: { id: job.id }, pause: !open });
  const state = `${job.status} ${job.attempt} ${job.cancelRequested}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another state is another history
  useEffect(() => {
    if (open) again({ requestPolicy: "network-only" });
  }, [open, state, again]);
  const events = open ? (data?.job?.events.nodes ?? []) : [];
  return (
    <Panel>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary className="font-semibold">
          {m.historyOfAttempts({ attempt: job.attempt, count: job.maxAttempts })}
        </summary>
        <ol className="mt-3 grid gap-1 text-sm" aria-label={m.historyOfTheJob}>
          {events.map((event) => (
            <li key={event.cursor} className="flex flex-wrap gap-x-3">
              <time className="text-muted tabular-nums" dateTime={event.at}>
                {dateTime(event.at)}
              </time>
              <span>
                {event.attempt > 0 && event.kind !== "created"
                  ? m.eventInAttempt({ event: told(event.kind), attempt: event.attempt })
                  : told(event.kind)}
              </span>
            </li>
          ))}
        </ol>
      </details>
    </Panel>
  );
}
