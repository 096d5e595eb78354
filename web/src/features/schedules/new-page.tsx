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
import { m } from "./messages";

export function NewSchedulePage() {
  const { pipeline } = useSearch({ strict: false }) as { pipeline?: string };
  const [{ data, error }, again] = useQuery({ query: ScheduleChoicesDocument, variables: {} });
  const client = useClient();
  const navigate = useNavigate();
  const action = useAction();
  if (error && !data)
    return <Failed error={fromCombined(error)} retry={() => again({ requestPolicy: "network-only" })} />;
  if (!data) return <Loading what={m.loadingPipelines} />;
  const start: Values = {
    pipelineId: pipeline ?? "",
    rhythm: START,
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC",
    overlap: "SKIP",
    inputs: {},
  };
  return (
    <>
      <PageHeader title={m.newSchedule} note={m.runsTheLatestVersion} />
      {data.pipelines.nodes.length === 0 ? (
        <Empty title={m.noPipelinesYet}>
          <p>{m.saveAPipelineFirst}</p>
          <Link to="/pipelines/new" search={{ dataset: undefined, template: undefined }} className={buttonClass()}>
            {m.newPipeline}
          </Link>
        </Empty>
      ) : (
        <Panel>
          <ScheduleForm
            start={start}
            choices={data}
            fixed={false}
            label={m.makeSchedule}
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
