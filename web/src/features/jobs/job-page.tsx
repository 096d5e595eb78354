import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useClient, useQuery } from "urql";
import { Confirm } from "@/components/confirm";
import { Ago, Code } from "@/components/data";
import { Empty, Failed, Loading, Note, PageHeader, Panel } from "@/components/layout";
import { Button, buttonClass } from "@/components/ui";
import { Words } from "@/components/words";
import {
  CancelJobDocument,
  DeleteJobDocument,
  JobPageDocument,
  type JobPageQuery,
  type JobRowFragment,
  JobUpdatedDocument,
  RetryJobDocument,
} from "@/gql/graphql";
import { act } from "@/lib/client";
import { count } from "@/lib/format";
import { useSubscription } from "@/lib/live";
import { fromCombined, messageOf } from "@/lib/refusal";
import { JobLog } from "./log";
import { isEnded, newer } from "./merge";
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
  if (!job && fetching) return <Loading what="Loading the job" />;
  if (!job) {
    return (
      <Empty title="There is no such job.">
        <Link to="/jobs" className={buttonClass()}>
          All jobs
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
  return (
    <>
      <PageHeader
        title={job.name}
        note={
          <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <span aria-live="polite">
              <JobBadge job={job} />
            </span>
            <span>
              <Ago time={job.createdAt} />
            </span>
            {job.attempt > 1 && (
              <span>
                attempt {job.attempt} of {job.maxAttempts}
              </span>
            )}
            {input?.dataset && (
              <span>
                from{" "}
                <Link to="/datasets/$id" params={{ id: input.dataset.id }} className="text-accent underline">
                  {input.dataset.name}
                </Link>
              </span>
            )}
          </span>
        }
      >
        <Actions job={job} changed={take} />
        {detail.pipelineId && (
          <Link
            to="/pipelines/$id"
            params={{ id: detail.pipelineId }}
            search={{ dataset: input?.datasetId }}
            className={buttonClass()}
          >
            Pipeline
          </Link>
        )}
      </PageHeader>
      <div className="grid grid-cols-1 gap-4">
        {job.error && <JobFailure error={job.error} />}
        <JobProgress job={job} />
        {job.status === "SUCCEEDED" && <JobResult id={job.id} name={job.name} />}
        <JobLog id={job.id} key={job.attempt === 0 ? "first" : "log"} />
        <Panel>
          <details>
            <summary className="font-semibold">Specification</summary>
            <div className="mt-3">
              <Code>{JSON.stringify(detail.spec, null, 2)}</Code>
            </div>
          </details>
        </Panel>
      </div>
    </>
  );
}

function JobFailure({ error }: { error: NonNullable<JobRowFragment["error"]> }) {
  const place = [
    error.step != null && `step ${error.step + 1}`,
    error.column != null && `column ${error.column}`,
    error.row != null && `row ${count(error.row)}`,
  ].filter(Boolean);
  return (
    <Note tone="bad" title={<Words text={error.message} />} hint={error.hint && <Words text={error.hint} />}>
      <p className="text-sm">{[`Code ${error.code}`, ...place].join(" · ")}</p>
    </Note>
  );
}

function Actions({ job, changed }: { job: JobRowFragment; changed: (job: JobRowFragment) => void }) {
  const client = useClient();
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new status makes the old complaint pointless
  useEffect(() => setError(null), [job.status]);
  const run = async (work: () => Promise<{ job: JobRowFragment }>) => {
    setBusy(true);
    setError(null);
    try {
      changed((await work()).job);
    } catch (thrown) {
      setError(messageOf(thrown));
    } finally {
      setBusy(false);
    }
  };
  const input = { id: job.id };
  const remove = async () => {
    await act(client, DeleteJobDocument, { input });
    await navigate({ to: "/jobs" });
  };
  return (
    <>
      {isEnded(job.status) && <Confirm label="Delete" question="Delete it with its result?" act={remove} />}
      {!isEnded(job.status) && (
        <Button
          variant="danger"
          busy={busy || job.cancelRequested}
          onClick={() => run(() => act(client, CancelJobDocument, { input }))}
        >
          Cancel
        </Button>
      )}
      {(job.status === "FAILED" || job.status === "CANCELLED") && (
        <Button variant="primary" busy={busy} onClick={() => run(() => act(client, RetryJobDocument, { input }))}>
          Run again
        </Button>
      )}
      {error && (
        <p role="alert" className="w-full text-sm text-bad">
          {error}
        </p>
      )}
    </>
  );
}
