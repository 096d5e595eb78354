import { useEffect, useState } from "react";
import { useQuery } from "urql";
import { Panel } from "@/components/layout";
import { JobHistoryDocument, type JobRowFragment } from "@/gql/graphql";
import { dateTime } from "@/lib/format";

const WORDS: Record<string, string> = {
  created: "Made",
  claimed: "A worker took it",
  published: "Succeeded: the result was published",
  failed: "Failed",
  requeued: "Queued again: the attempt broke off",
  cancelRequested: "Somebody asked to cancel it",
  cancelled: "Cancelled",
  retried: "Queued again by a person",
  resultExpired: "The result expired",
  rejectsExpired: "The rejected rows expired",
};

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
        <summary className="font-semibold">{`History (${job.attempt} of ${job.maxAttempts} attempts)`}</summary>
        <ol className="mt-3 grid gap-1 text-sm" aria-label="History of the job">
          {events.map((event) => (
            <li key={event.cursor} className="flex flex-wrap gap-x-3">
              <time className="text-muted tabular-nums" dateTime={event.at}>
                {dateTime(event.at)}
              </time>
              <span>
                {WORDS[event.kind] ?? event.kind}
                {event.attempt > 0 && event.kind !== "created" && (
                  <span className="text-muted">, attempt {event.attempt}</span>
                )}
              </span>
            </li>
          ))}
        </ol>
      </details>
    </Panel>
  );
}
