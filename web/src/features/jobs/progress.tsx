import { useEffect, useState } from "react";
import { Progress } from "@/components/data";
import { Facts, Panel } from "@/components/layout";
import type { JobRowFragment } from "@/gql/graphql";
import { bytes, count, duration, percent, remaining, secondsBetween } from "@/lib/format";
import { isEnded } from "./merge";

/** Time that passes while a job runs. */
function useNow(running: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [running]);
  return now;
}

export function JobProgress({ job }: { job: JobRowFragment }) {
  const now = useNow(job.status === "RUNNING");
  const { progress } = job;
  const seconds = job.startedAt ? secondsBetween(job.startedAt, job.finishedAt, now) : null;
  const rate = progress && seconds && seconds > 0.5 ? progress.rowsIn / seconds : null;
  const facts: [string, React.ReactNode][] = [
    [isEnded(job.status) ? "Took" : "Running for", duration(seconds)],
    ["Read", progress ? `${bytes(progress.bytesRead)} of ${bytes(progress.bytesTotal)}` : "–"],
    ["Rows in", count(progress?.rowsIn)],
    ["Rows out", count(progress?.rowsOut)],
    ["Filtered", count(progress?.rowsFiltered)],
    ["Rejected", count(progress?.rowsRejected)],
  ];
  if (rate) facts.push(["Rows per second", count(rate)]);
  return (
    <Panel title="Progress">
      <div className="grid grid-cols-1 gap-4">
        {job.status === "PENDING" && (
          <p className="text-muted">Waiting for a worker{job.attempt > 0 && "; the last attempt broke off"}.</p>
        )}
        {job.status === "RUNNING" && (
          <div className="grid gap-1">
            <Progress value={progress?.fraction ?? null} label="Progress of the job" />
            <p className="text-sm text-muted tabular-nums">
              {percent(progress?.fraction)}
              {progress?.stage && ` · ${progress.stage}`}
              {progress?.etaSeconds != null && ` · ${remaining(progress.etaSeconds)} left`}
            </p>
          </div>
        )}
        <Facts facts={facts} />
        {!isEnded(job.status) && (
          <p className="text-sm text-muted">You may close this page: the job goes on, and stands under Jobs.</p>
        )}
        {job.status === "SUCCEEDED" && progress && <Ledger progress={progress} />}
      </div>
    </Panel>
  );
}

/** Where every row went. Groups, joins and limits make other rows of them, then the sum says nothing. */
function Ledger({ progress }: { progress: NonNullable<JobRowFragment["progress"]> }) {
  const { rowsIn, rowsOut, rowsFiltered, rowsRejected } = progress;
  if (rowsIn !== rowsOut + rowsFiltered + rowsRejected) return null;
  return (
    <p className="text-sm text-muted tabular-nums">
      Every row is accounted for: {count(rowsIn)} in = {count(rowsOut)} out + {count(rowsFiltered)} filtered +{" "}
      {count(rowsRejected)} rejected.
    </p>
  );
}
