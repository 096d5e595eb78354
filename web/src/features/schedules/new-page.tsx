import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useClient, useQuery } from "urql";
import { Empty, Failed, Loading, PageHeader, Panel } from "@/components/layout";
import { buttonClass } from "@/components/ui";
import { CreateScheduleDocument, ScheduleChoicesDocument } from "@/gql/graphql";
import { act } from "@/lib/client";
import { fromCombined } from "@/lib/refusal";
import { useAction } from "@/lib/use-action";
import { START } from "./cron";
import { ScheduleForm, type Values } from "./form";

export function NewSchedulePage() {
  const { pipeline } = useSearch({ strict: false }) as { pipeline?: string };
  const [{ data, error }, again] = useQuery({ query: ScheduleChoicesDocument, variables: {} });
  const client = useClient();
  const navigate = useNavigate();
  const action = useAction();
  if (error && !data)
    return <Failed error={fromCombined(error)} retry={() => again({ requestPolicy: "network-only" })} />;
  if (!data) return <Loading what="Loading pipelines" />;
  const start: Values = {
    pipelineId: pipeline ?? "",
    rhythm: START,
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC",
    overlap: "SKIP",
    inputs: {},
  };
  return (
    <>
      <PageHeader title="New schedule" note="Runs the latest version of a saved pipeline by the clock." />
      {data.pipelines.nodes.length === 0 ? (
        <Empty title="No pipelines yet">
          <p>A schedule runs a saved pipeline: make and save one first.</p>
          <Link to="/pipelines/new" search={{ dataset: undefined, template: undefined }} className={buttonClass()}>
            New pipeline
          </Link>
        </Empty>
      ) : (
        <Panel>
          <ScheduleForm
            start={start}
            choices={data}
            fixed={false}
            label="Make schedule"
            action={action}
            save={(pipelineId, wanted) =>
              action.run(async () => {
                const { schedule } = await act(client, CreateScheduleDocument, { input: { pipelineId, ...wanted } });
                await navigate({ to: "/schedules/$id", params: { id: schedule.id } });
              })
            }
          />
        </Panel>
      )}
    </>
  );
}
