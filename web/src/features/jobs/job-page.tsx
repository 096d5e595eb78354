import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useClient, useQuery } from "urql";
import { Confirm } from "@/components/confirm";
import { Ago, Code } from "@/components/data";
import { Empty, Failed, Loading, PageHeader, Panel } from "@/components/layout";
import { buttonClass } from "@/components/ui";
import {
  DeleteJobDocument,
  JobPageDocument,
  type JobPageQuery,
  type JobRowFragment,
  JobUpdatedDocument,
} from "@/gql/graphql";
import { act } from "@/lib/client";
import { useSubscription } from "@/lib/live";
import { fromCombined } from "@/lib/refusal";
import { CancelOrRetry } from "./actions";
import { JobFailure } from "./failure";
import { History } from "./history";
import { JobLog } from "./log";
import { isEnded, newer } from "./merge";
import { m } from "./messages";
import { JobProgress } from "./progress";
import { JobResult } from "./result";
import { JobBadge } from "./status";

type Detail = NonNullable<JobPageQuery["job"]>;

export function JobPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const [{ data, error, fetching }, again] = useQuery({ query: JobPageDocument, variables: { id } });
  const job = data?.job?.id === id ? data.job : null;
  if (error && !job)
    return <Failed error={fromCombined(error)} retry={() => again({ requestPolicy: "network-only" })} />;
  if (!job && fetching) return <Loading what={m.loadingTheJob} />;
  if (!job) {
    return (
      <Empty title={m.noSuchJob}>
        <Link to="/jobs" className={buttonClass()}>
          {m.allJobs}
        </Link>
      </Empty>
    );
  }
  return <Page key={id} detail={job} />;
}

function Page({ detail }: { detail: Detail }) {
  const [live, setLive] = useState<JobRowFragment | null>(null);
  const job = live ? newer(detail, live) : detail;
  const take = (next: JobRowFragment) => setLive((before) => (before ? newer(before, next) : next));
  useSubscription(JobUpdatedDocument, { id: detail.id }, ({ jobUpdated }) => take(jobUpdated));
  const input = detail.inputs.find((each) => each.name === "input") ?? detail.inputs[0];
  const { output } = detail.spec as { output?: unknown };
  return (
    <>
      <PageHeader
        title={job.name}
        data
        note={
          <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <span aria-live="polite">
              <JobBadge job={job} />
            </span>
            <span>
              <Ago time={job.createdAt} />
            </span>
            {job.attempt > 1 && <span>{m.attemptOf({ attempt: job.attempt, most: job.maxAttempts })}</span>}
            {input?.dataset && (
              <span>
                {m.fromDataset({
                  dataset: (
                    <Link
                      to="/datasets/$id"
                      params={{ id: input.dataset.id }}
                      className="text-accent underline"
                      translate="no"
                    >
                      {input.dataset.name}
                    </Link>
                  ),
                })}
              </span>
            )}
          </span>
        }
      >
        {isEnded(job.status) && <Delete id={job.id} />}
        <CancelOrRetry job={job} changed={take} />
        {detail.pipelineId && (
          <Link
            to="/pipelines/$id"
            params={{ id: detail.pipelineId }}
            search={{ dataset: input?.datasetId }}
            className={buttonClass()}
          >
            {m.pipeline}
          </Link>
        )}
      </PageHeader>
      <div className="grid grid-cols-1 gap-4">
        {job.error && <JobFailure id={job.id} error={job.error} />}
        <JobProgress job={job} />
        {job.status === "SUCCEEDED" && <JobResult id={job.id} name={job.name} output={output} />}
        <JobLog id={job.id} key={job.attempt === 0 ? "first" : "log"} />
        <History job={job} />
        <Panel>
          <details>
            <summary className="font-semibold">{m.specification}</summary>
            <div className="mt-3">
              <Code>{JSON.stringify(detail.spec, null, 2)}</Code>
            </div>
          </details>
        </Panel>
      </div>
    </>
  );
}

function Delete({ id }: { id: string }) {
  const client = useClient();
  const navigate = useNavigate();
  const remove = async () => {
    await act(client, DeleteJobDocument, { input: { id } });
    await navigate({ to: "/jobs" });
  };
  return <Confirm label={m.delete} question={m.deleteWithResult} act={remove} />;
}
