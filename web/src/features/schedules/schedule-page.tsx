import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useEffect } from "react";
import { useClient, useQuery } from "urql";
import { Ago } from "@/components/data";
import { JobBadge } from "@/components/job-badge";
import { Empty, Facts, Failed, Loading, Note, PageHeader, Panel } from "@/components/layout";
import { SwitchOrDelete } from "@/components/switch-or-delete";
import { Cell, Row, Table } from "@/components/table";
import { buttonClass } from "@/components/ui";
import {
  DeleteScheduleDocument,
  ScheduleChoicesDocument,
  SchedulePageDocument,
  type SchedulePageQuery,
  UpdateScheduleDocument,
} from "@/gql/graphql";
import { act } from "@/lib/client";
import { duration, secondsBetween } from "@/lib/format";
import { fromCombined } from "@/lib/refusal";
import { useAction } from "@/lib/use-action";
import { describe, fromCron, inZone } from "./cron";
import { ScheduleForm } from "./form";
import { m } from "./messages";
import { OUTCOMES, ScheduleNotes, ScheduleState } from "./state";

type Detail = NonNullable<SchedulePageQuery["schedule"]>;

/** Runs start by the clock: the page looks again this often, in milliseconds. */
const POLL = 5000;

export function SchedulePage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const [{ data, error, fetching }, again] = useQuery({ query: SchedulePageDocument, variables: { id } });
  const reload = () => again({ requestPolicy: "network-only" });
  useEffect(() => {
    const timer = setInterval(() => again({ requestPolicy: "network-only" }), POLL);
    return () => clearInterval(timer);
  }, [again]);
  const schedule = data?.schedule;
  if (error && !schedule) return <Failed error={fromCombined(error)} retry={reload} />;
  if (!schedule && fetching) return <Loading what={m.loadingTheSchedule} />;
  if (!schedule) {
    return (
      <Empty title={m.noSuchSchedule}>
        <Link to="/schedules" className={buttonClass()}>
          {m.allSchedules}
        </Link>
      </Empty>
    );
  }
  return <Page schedule={schedule} changed={reload} />;
}

function Page({ schedule, changed }: { schedule: Detail; changed: () => void }) {
  return (
    <>
      <PageHeader
        title={schedule.pipeline?.name ?? m.aDeletedPipeline}
        data={schedule.pipeline !== null}
        note={
          <span className="flex flex-wrap items-center gap-3">
            <ScheduleState schedule={schedule} />{" "}
            {m.rhythmInZone({ rhythm: describe(schedule.cron), zone: schedule.timeZone })}
          </span>
        }
      >
        <Actions schedule={schedule} changed={changed} />
      </PageHeader>
      <div className="grid grid-cols-1 gap-4">
        <ScheduleNotes schedule={schedule} />
        <Runs schedule={schedule} />
        <Jobs jobs={schedule.jobs.nodes} />
        <Settings schedule={schedule} changed={changed} />
      </div>
    </>
  );
}

function Actions({ schedule, changed }: { schedule: Detail; changed: () => void }) {
  const client = useClient();
  const navigate = useNavigate();
  const { id, enabled } = schedule;
  return (
    <SwitchOrDelete
      enabled={enabled}
      start={m.letItRun}
      question={m.reallyDelete}
      toggle={async () => {
        await act(client, UpdateScheduleDocument, { input: { id, enabled: !enabled } });
        changed();
      }}
      remove={async () => {
        await act(client, DeleteScheduleDocument, { input: { id } });
        await navigate({ to: "/schedules" });
      }}
    />
  );
}

function Runs({ schedule }: { schedule: Detail }) {
  const { lastTickAt, lastOutcome, nextRuns, timeZone } = schedule;
  return (
    <Panel title={m.nextRuns}>
      {nextRuns.length === 0 ? (
        <p className="text-muted">{m.noneWhileItDoesNotRun}</p>
      ) : (
        <ol className="grid gap-1 tabular-nums" aria-label={m.nextRuns}>
          {nextRuns.map((time) => (
            <li key={time}>
              <time dateTime={time}>{inZone(time, timeZone)}</time>
            </li>
          ))}
        </ol>
      )}
      <div className="mt-4">
        <Facts
          facts={[
            [m.lastRunDue, lastTickAt ? <Ago key="last" time={lastTickAt} /> : m.never],
            [m.whatCameOfIt, lastOutcome ? OUTCOMES[lastOutcome]() : "–"],
            [m.made, <Ago key="made" time={schedule.createdAt} />],
          ]}
        />
      </div>
    </Panel>
  );
}

function Jobs({ jobs }: { jobs: Detail["jobs"]["nodes"] }) {
  return (
    <Panel title={m.itsJobs}>
      {jobs.length === 0 ? (
        <p className="text-muted">{m.noneYet}</p>
      ) : (
        <Table caption={m.jobsOfTheSchedule} head={[m.job, m.status, m.took, m.started]}>
          {jobs.map((job) => (
            <Row key={job.id}>
              <Cell plain>
                <Link
                  to="/jobs/$id"
                  params={{ id: job.id }}
                  className="font-medium text-accent hover:underline"
                  translate="no"
                >
                  {job.name}
                </Link>
              </Cell>
              <Cell>
                <JobBadge status={job.status} cancelling={job.cancelRequested} />
              </Cell>
              <Cell>
                {job.startedAt && job.finishedAt ? duration(secondsBetween(job.startedAt, job.finishedAt)) : "–"}
              </Cell>
              <Cell>
                <Ago time={job.createdAt} />
              </Cell>
            </Row>
          ))}
        </Table>
      )}
    </Panel>
  );
}

function Settings({ schedule, changed }: { schedule: Detail; changed: () => void }) {
  const client = useClient();
  const action = useAction();
  const [{ data, error }] = useQuery({ query: ScheduleChoicesDocument, variables: {} });
  return (
    <Panel title={m.settings}>
      {error && !data && <Note tone="bad" title={fromCombined(error).message} />}
      {data && (
        <ScheduleForm
          start={{
            pipelineId: schedule.pipelineId,
            rhythm: fromCron(schedule.cron),
            timeZone: schedule.timeZone,
            overlap: schedule.overlap,
            inputs: Object.fromEntries(schedule.inputs.map(({ name, datasetId }) => [name, datasetId])),
          }}
          choices={data}
          fixed
          label={m.save}
          action={action}
          save={(_, wanted) =>
            action.run(async () => {
              await act(client, UpdateScheduleDocument, { input: { id: schedule.id, ...wanted } });
              changed();
            })
          }
        />
      )}
    </Panel>
  );
}
