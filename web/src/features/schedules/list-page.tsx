import { Link } from "@tanstack/react-router";
import { Ago } from "@/components/data";
import { Empty, PageHeader, Panel } from "@/components/layout";
import { Listing } from "@/components/more";
import { Cell, Row, Table } from "@/components/table";
import { buttonClass } from "@/components/ui";
import { type ScheduleRowFragment, SchedulesDocument } from "@/gql/graphql";
import { usePages } from "@/lib/paging";
import { describe, inZone } from "./cron";
import { ScheduleState } from "./state";

export function SchedulesPage() {
  const list = usePages(SchedulesDocument, { first: 50 }, (data) => data.schedules);
  return (
    <>
      <PageHeader title="Schedules" note="Pipelines that run by the clock.">
        <Link to="/schedules/new" search={{ pipeline: undefined }} className={buttonClass("primary")}>
          New schedule
        </Link>
      </PageHeader>
      <Listing list={list} what="Loading schedules" empty={<Nothing />}>
        <Panel className="!p-0">
          <Table caption="Schedules" head={["Pipeline", "Runs", "State", "Next run", "Last run"]}>
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
    <Empty title="No schedules yet">
      <p>A schedule runs a saved pipeline every hour, day, week or month, exactly once per run that is due.</p>
    </Empty>
  );
}

function ScheduleRow({ schedule }: { schedule: ScheduleRowFragment }) {
  return (
    <Row>
      <Cell plain>
        <Link to="/schedules/$id" params={{ id: schedule.id }} className="font-medium text-accent hover:underline">
          {schedule.pipeline?.name ?? "A deleted pipeline"}
        </Link>
      </Cell>
      <Cell plain>
        {describe(schedule.cron)} <span className="text-muted">({schedule.timeZone})</span>
      </Cell>
      <Cell>
        <ScheduleState schedule={schedule} />
      </Cell>
      <Cell>{schedule.nextRunAt ? inZone(schedule.nextRunAt, schedule.timeZone) : "–"}</Cell>
      <Cell>{schedule.lastTickAt ? <Ago time={schedule.lastTickAt} /> : "never"}</Cell>
    </Row>
  );
}
