import { Link } from "@tanstack/react-router";
import { Ago } from "@/components/data";
import { Empty, PageHeader, Panel } from "@/components/layout";
import { Listing } from "@/components/more";
import { Cell, Row, Table } from "@/components/table";
import { buttonClass } from "@/components/ui";
import { type ScheduleRowFragment, SchedulesDocument } from "@/gql/graphql";
import { usePages } from "@/lib/paging";
import { describe, inZone } from "./cron";
import { m } from "./messages";
import { ScheduleState } from "./state";

export function SchedulesPage() {
  const list = usePages(SchedulesDocument, { first: 50 }, (data) => data.schedules);
  return (
    <>
      <PageHeader title={m.schedules} note={m.whatSchedulesAre}>
        <Link to="/schedules/new" search={{ pipeline: undefined }} className={buttonClass("primary")}>
          {m.newSchedule}
        </Link>
      </PageHeader>
      <Listing list={list} what={m.loadingSchedules} empty={<Nothing />}>
        <Panel className="!p-0">
          <Table caption={m.schedules} head={[m.pipeline, m.runs, m.state, m.nextRun, m.lastRun]}>
            {list.items?.map((schedule) => (
              <ScheduleRow key={schedule.id} schedule={schedule} />
            ))}
          </Table>
        </Panel>
      </Listing>
    </>
  );
}

function Nothing() {
  return (
    <Empty title={m.noSchedulesYet}>
      <p>{m.whatAScheduleDoes}</p>
    </Empty>
  );
}

function ScheduleRow({ schedule }: { schedule: ScheduleRowFragment }) {
  return (
    <Row>
      <Cell plain>
        <Link
          to="/schedules/$id"
          params={{ id: schedule.id }}
          className="font-medium text-accent hover:underline"
          translate="no"
        >
          {schedule.pipeline?.name ?? m.aDeletedPipeline}
        </Link>
      </Cell>
      <Cell plain>
        {describe(schedule.cron)}{" "}
        <span translate="no" className="text-muted">
          ({schedule.timeZone})
        </span>
      </Cell>
      <Cell>
        <ScheduleState schedule={schedule} />
      </Cell>
      <Cell>
        {schedule.nextRunAt ? (
          <time dateTime={schedule.nextRunAt}>{inZone(schedule.nextRunAt, schedule.timeZone)}</time>
        ) : (
          "–"
        )}
      </Cell>
      <Cell>{schedule.lastTickAt ? <Ago time={schedule.lastTickAt} /> : m.never}</Cell>
    </Row>
  );
}
