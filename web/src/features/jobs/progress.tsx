import { useEffect, useState } from "react";
import { Progress } from "@/components/data";
import { Facts, Panel } from "@/components/layout";
import type { JobRowFragment } from "@/gql/graphql";
import { bytes, count, duration, percent, remaining, secondsBetween } from "@/lib/format";
import { isEnded } from "./merge";
import { m } from "./messages";

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
    [isEnded(job.status) ? m.took : m.runningFor, duration(seconds)],
    [m.read, progress ? m.of({ some: bytes(progress.bytesRead), all: bytes(progress.bytesTotal) }) : "–"],
    [m.rowsIn, count(progress?.rowsIn)],
    [m.rowsOut, count(progress?.rowsOut)],
    [m.filtered, count(progress?.rowsFiltered)],
    [m.rejected, count(progress?.rowsRejected)],
  ];
  if (rate) facts.push([m.rowsPerSecond, count(rate)]);
  return (
    <Panel title={m.progress}>
      <div className="grid grid-cols-1 gap-4">
        {job.status === "PENDING" && (
          <p className="text-muted">{job.attempt > 0 ? m.waitingForWorkerAgain : m.waitingForWorker}</p>
        )}
        {job.status === "RUNNING" && (
          <div className="grid gap-1">
            <Progress value={progress?.fraction ?? null} label={m.progressOfTheJob} />
            <p className="text-sm text-muted tabular-nums">
              {percent(progress?.fraction)}
              {progress?.stage && <span lang="en">{` · ${progress.stage}`}</span>}
              {progress?.etaSeconds != null && ` · ${m.timeLeft({ time: remaining(progress.etaSeconds) })}`}
            </p>
          </div>
        )}
        <Facts facts={facts} />
        {!isEnded(job.status) && <p className="text-sm text-muted">{m.pageMayBeClosed}</p>}
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
      {m.everyRowIsAccountedFor({ rowsIn, rowsOut, rowsFiltered, rowsRejected })}
    </p>
  );
}
