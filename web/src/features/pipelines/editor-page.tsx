import { Link, useParams, useSearch } from "@tanstack/react-router";
import { useEffect, useMemo } from "react";
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

/** Data sets that are being inspected are looked at again this often, in milliseconds. */
const LOOK_AGAIN = 2000;

/** Data sets to choose from: the newest hundred, and the one that somebody comes with, however old it is. */
function useChoices(wanted: string | undefined) {
  const [{ data, error }, again] = useQuery({ query: DatasetChoicesDocument, variables: { wanted: wanted ?? "" } });
  const choices = useMemo(() => {
    const { dataset, datasets } = data ?? {};
    if (!dataset || datasets?.nodes.some(({ id }) => id === dataset.id)) return datasets?.nodes;
    return [dataset, ...(datasets?.nodes ?? [])];
  }, [data]);
  const waits = choices?.some(({ status }) => status === "INSPECTING") ?? false;
  useEffect(() => {
    if (!waits) return;
    const timer = setInterval(() => again({ requestPolicy: "network-only" }), LOOK_AGAIN);
    return () => clearInterval(timer);
  }, [waits, again]);
  return { choices, error, again: () => again({ requestPolicy: "network-only" }) };
}

export function NewPipelinePage() {
  const search = useSearch({ strict: false }) as { dataset?: string; template?: string };
  const { choices, error, again } = useChoices(search.dataset);
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
  const { choices } = useChoices(search.dataset);
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
