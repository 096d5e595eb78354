import { useEffect, useRef, useState } from "react";
import { useClient } from "urql";
import { Choice } from "@/components/choice";
import { Confirm } from "@/components/confirm";
import { Ago } from "@/components/data";
import { JobBadge } from "@/components/job-badge";
import { Empty, Panel } from "@/components/layout";
import { Listing } from "@/components/more";
import { Cell, Row, Table } from "@/components/table";
import { Words } from "@/components/words";
import {
  AdminCancelJobDocument,
  type AdminJobRowFragment,
  AdminJobsDocument,
  AdminRequeueJobDocument,
  type JobStatus,
} from "@/gql/graphql";
import { act } from "@/lib/client";
import { duration, secondsBetween } from "@/lib/format";
import { usePages } from "@/lib/paging";
import { m } from "./messages";

type Filter = "UNDER_WAY" | "FAILED" | "ALL";
const filters = (): { value: Filter; text: string }[] => [
  { value: "UNDER_WAY", text: m.underWay },
  { value: "FAILED", text: m.failed },
  { value: "ALL", text: m.all },
];
const STATUSES: Record<Filter, JobStatus[] | null> = {
  UNDER_WAY: ["PENDING", "RUNNING"],
  FAILED: ["FAILED"],
  ALL: null,
};
/** Jobs of all workspaces have no subscription: the list is read again this often, in milliseconds. */
const POLL = 3000;

/** Jobs of all workspaces, without what they read and made. */
export function AllJobs({ names }: { names: ReadonlyMap<string, string> }) {
  const [filter, setFilter] = useState<Filter>("UNDER_WAY");
  const status = STATUSES[filter];
  const list = usePages(AdminJobsDocument, { first: 50, status }, (data) => data.adminJobs);
  const latest = useRef(list.reload);
  latest.current = list.reload;
  useEffect(() => {
    const timer = setInterval(() => latest.current(), POLL);
    return () => clearInterval(timer);
  }, []);
  return (
    <div className="grid grid-cols-1 gap-4">
      <Choice legend={m.showJobs} options={filters()} value={filter} choose={setFilter} />
      <Listing key={filter} list={list} what={m.loadingJobs} empty={<Empty title={m.noSuchJobs} />}>
        <Panel className="!p-0">
          <Table
            caption={m.jobsOfAllWorkspaces}
            head={[m.job, m.workspace, m.status, m.attempt, m.worker, m.took, m.made, m.actions]}
          >
            {list.items?.map((job) => (
              <JobRow key={job.id} job={job} workspace={names.get(job.workspaceId)} changed={list.reload} />
            ))}
          </Table>
        </Panel>
      </Listing>
    </div>
  );
}

interface RowProps {
  job: AdminJobRowFragment;
  workspace: string | undefined;
  changed: () => void;
}

function JobRow({ job, workspace, changed }: RowProps) {
  const client = useClient();
  const input = { id: job.id };
  const cancel = async () => {
    await act(client, AdminCancelJobDocument, { input });
    changed();
  };
  const requeue = async () => {
    await act(client, AdminRequeueJobDocument, { input });
    changed();
  };
  const underWay = job.status === "PENDING" || job.status === "RUNNING";
  return (
    <Row>
      <Cell plain>
        <span translate="no" className="font-medium">
          {job.name}
        </span>
        {job.error && (
          <span lang="en" className="line-clamp-2 text-sm text-muted" title={job.error.message}>
            <Words text={job.error.message} />
          </span>
        )}
      </Cell>
      <Cell plain data>
        {workspace ?? "–"}
      </Cell>
      <Cell>
        <JobBadge status={job.status} cancelling={job.cancelRequested} />
      </Cell>
      <Cell>
        <span className="tabular-nums">{m.of({ some: job.attempt, all: job.maxAttempts })}</span>
      </Cell>
      <Cell>
        <span translate="no" className="font-mono text-sm">
          {job.worker ?? "–"}
        </span>
      </Cell>
      <Cell>{job.startedAt ? duration(secondsBetween(job.startedAt, job.finishedAt)) : "–"}</Cell>
      <Cell>
        <Ago time={job.createdAt} />
      </Cell>
      <Cell>
        <span className="flex gap-2">
          {underWay && <Confirm label={m.cancel} question={m.reallyCancel} act={cancel} />}
          <Confirm label={m.requeue} question={m.runItAnew} act={requeue} />
        </span>
      </Cell>
    </Row>
  );
}
