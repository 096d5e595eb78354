import { Link } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { Ago, Progress } from "@/components/data";
import { Empty, Failed, Loading, PageHeader, Panel } from "@/components/layout";
import { Button, buttonClass, classes } from "@/components/ui";
import { Words } from "@/components/words";
import { type JobRowFragment, type JobStatus, JobsChangedDocument, JobsDocument } from "@/gql/graphql";
import { count, duration, secondsBetween } from "@/lib/format";
import { useLive, useSubscription } from "@/lib/live";
import { usePages } from "@/lib/paging";
import { useStore } from "@/lib/store";
import { CancelOrRetry } from "./actions";
import { mergeJobs, newer } from "./merge";
import { m } from "./messages";
import { JobBadge } from "./status";

const FILTERS: { name: () => string; statuses: JobStatus[] | null }[] = [
  { name: () => m.all, statuses: null },
  { name: () => m.underWay, statuses: ["PENDING", "RUNNING"] },
  { name: () => m.succeeded, statuses: ["SUCCEEDED"] },
  { name: () => m.failed, statuses: ["FAILED"] },
  { name: () => m.cancelled, statuses: ["CANCELLED"] },
];

/** Jobs that changed since the page was opened, by id. */
function useLiveJobs(): [ReadonlyMap<string, JobRowFragment>, (job: JobRowFragment) => void] {
  const [jobs, setJobs] = useState<ReadonlyMap<string, JobRowFragment>>(new Map());
  const take = (job: JobRowFragment) =>
    setJobs((before) => {
      const known = before.get(job.id);
      return new Map(before).set(job.id, known ? newer(known, job) : job);
    });
  useSubscription(JobsChangedDocument, {}, ({ jobsChanged }) => take(jobsChanged));
  return [jobs, take];
}

export function JobsPage() {
  const [filter, setFilter] = useState(0);
  const statuses = FILTERS[filter]?.statuses ?? null;
  const list = usePages(JobsDocument, { first: 50, status: statuses }, (data) => data.jobs);
  const [live, take] = useLiveJobs();
  const items = list.items && mergeJobs(list.items, live, statuses);

  // what happened while the connection was lost is read again
  const generation = useStore(useLive().generation);
  const latest = useRef(list.reload);
  latest.current = list.reload;
  useEffect(() => {
    if (generation > 1) latest.current();
  }, [generation]);

  return (
    <>
      <PageHeader title={m.jobs} note={m.listIsLive}>
        <Link
          to="/pipelines/new"
          search={{ dataset: undefined, template: undefined }}
          className={buttonClass("primary")}
        >
          {m.newPipeline}
        </Link>
      </PageHeader>
      <fieldset className="mb-4 flex flex-wrap gap-1">
        <legend className="sr-only">{m.showJobs}</legend>
        {FILTERS.map(({ name }, index) => (
          <button
            key={name()}
            type="button"
            aria-pressed={index === filter}
            onClick={() => setFilter(index)}
            className={classes(
              "rounded-full border px-3 py-1 text-sm font-medium",
              index === filter ? "border-accent bg-tint text-accent-strong" : "border-line bg-surface hover:bg-raised",
            )}
          >
            {name()}
          </button>
        ))}
      </fieldset>
      {list.error && <Failed error={list.error} retry={list.reload} />}
      {items === null && list.loading && <Loading what={m.loadingJobs} />}
      {items?.length === 0 && (
        <Empty title={statuses ? m.noSuchJobs : m.noJobsYet}>
          <p>{statuses ? m.chooseAnotherFilter : m.howToBegin}</p>
          {!statuses && (
            <Link to="/datasets" className={buttonClass()}>
              {m.toTheDataSets}
            </Link>
          )}
        </Empty>
      )}
      {items && items.length > 0 && (
        <Panel className="relative overflow-x-auto !p-0">
          <Table items={items} changed={take} />
        </Panel>
      )}
      {list.hasMore && (
        <div className="mt-4 text-center">
          <Button onClick={list.more} busy={list.loading}>
            {m.showMore}
          </Button>
        </div>
      )}
    </>
  );
}

interface TableProps {
  items: readonly JobRowFragment[];
  changed: (job: JobRowFragment) => void;
}

function Table({ items, changed }: TableProps) {
  return (
    <table className="w-full text-left">
      <thead className="text-sm text-muted">
        <tr>
          {[m.job, m.status, m.progress, m.rowsOut, m.took, m.started].map((name) => (
            <th key={name} scope="col" className={classes("px-4 py-2 font-medium", name === m.rowsOut && "text-right")}>
              {name}
            </th>
          ))}
          <th scope="col" className="px-4 py-2">
            <span className="sr-only">{m.actions}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {items.map((job) => (
          <tr key={job.id} className="border-t border-line hover:bg-raised">
            <td className="max-w-72 truncate px-4 py-2.5">
              <Link
                to="/jobs/$id"
                params={{ id: job.id }}
                className="font-medium text-accent hover:underline"
                translate="no"
              >
                {job.name}
              </Link>
            </td>
            <td className="px-4 py-2.5 whitespace-nowrap">
              <JobBadge job={job} />
            </td>
            <td className="w-56 px-4 py-2.5">
              {job.status === "RUNNING" ? (
                <Progress value={job.progress?.fraction ?? null} label={m.progressOf({ name: job.name })} />
              ) : (
                job.error && (
                  <span lang="en" className="line-clamp-2 text-sm text-muted" title={job.error.message}>
                    <Words text={job.error.message} />
                  </span>
                )
              )}
            </td>
            <td className="px-4 py-2.5 text-right tabular-nums">{count(job.progress?.rowsOut)}</td>
            <td className="px-4 py-2.5 whitespace-nowrap tabular-nums">
              {job.startedAt && job.finishedAt ? duration(secondsBetween(job.startedAt, job.finishedAt)) : "–"}
            </td>
            <td className="px-4 py-2.5 whitespace-nowrap text-muted">
              <Ago time={job.createdAt} />
            </td>
            <td className="px-4 py-1.5 text-right">
              <CancelOrRetry job={job} changed={changed} small />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
