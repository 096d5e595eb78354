import { Link, useParams, useSearch } from "@tanstack/react-router";
import { useQuery } from "urql";
import { Empty, Failed, Loading } from "@/components/layout";
import { buttonClass } from "@/components/ui";
import { DatasetChoicesDocument, PipelinePageDocument } from "@/gql/graphql";
import { fromCombined } from "@/lib/refusal";
import { TEMPLATES } from "@/lib/templates";
import { Editor } from "./editor";
import { startState } from "./editor-state";
import { m } from "./messages";
import { emptySpec, parseSpec } from "./spec";
import { SPECS } from "./templates";

/** Data sets to choose from; the newest hundred. */
function useChoices() {
  const [{ data, error }, again] = useQuery({ query: DatasetChoicesDocument, variables: {} });
  return { choices: data?.datasets.nodes, error, again: () => again({ requestPolicy: "network-only" }) };
}

export function NewPipelinePage() {
  const search = useSearch({ strict: false }) as { dataset?: string; template?: string };
  const { choices, error, again } = useChoices();
  if (error && !choices) return <Failed error={fromCombined(error)} retry={again} />;
  if (!choices) return <Loading what={m.loadingDataSets} />;
  const template = TEMPLATES.find(({ id }) => id === search.template);
  const dataset = choices.find(({ id }) => id === search.dataset);
  const schema = dataset?.schema ?? null;
  const name = [template?.title(), dataset?.name].filter(Boolean).join(": ");
  const start = startState(template ? name : "", template ? SPECS[template.id](schema) : emptySpec());
  return (
    <Editor
      key="new"
      pipelineId={null}
      version={null}
      start={start}
      choices={choices}
      datasetId={search.dataset ?? ""}
    />
  );
}

export function PipelinePage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const search = useSearch({ strict: false }) as { dataset?: string };
  const { choices } = useChoices();
  const [{ data, error, fetching }, again] = useQuery({ query: PipelinePageDocument, variables: { id } });
  const pipeline = data?.pipeline;
  if (error && !pipeline)
    return <Failed error={fromCombined(error)} retry={() => again({ requestPolicy: "network-only" })} />;
  if ((!pipeline && fetching) || !choices) return <Loading what={m.loadingThePipeline} />;
  if (!pipeline) {
    return (
      <Empty title={m.noSuchPipeline}>
        <Link to="/pipelines" className={buttonClass()}>
          {m.allPipelines}
        </Link>
      </Empty>
    );
  }
  const parsed = parseSpec(JSON.stringify(pipeline.spec));
  const start = startState(pipeline.name, "spec" in parsed ? parsed.spec : emptySpec());
  return (
    <Editor
      key={pipeline.id}
      pipelineId={pipeline.id}
      version={pipeline.latestVersion.version}
      start={start}
      choices={choices}
      datasetId={search.dataset ?? ""}
    />
  );
}
