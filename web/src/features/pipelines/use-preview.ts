import { useEffect, useState } from "react";
import { useClient } from "urql";
import { type PipelineSpecInput, PreviewPipelineDocument, type PreviewPipelineQuery } from "@/gql/graphql";
import { fromCombined } from "@/lib/refusal";
import { m } from "./messages";
import { inputNames, type Spec } from "./spec";

export type Preview = Extract<PreviewPipelineQuery["previewPipeline"], { __typename: "PipelinePreview" }>;

export interface LivePreview {
  preview: Preview | null;
  error: string | null;
  busy: boolean;
  /** Whether `preview` is about the specification as it is now. */
  fresh: boolean;
  refresh(): void;
}

/** A preview runs the engine: typing pauses this long before one is asked for, in milliseconds. */
const PAUSE = 800;

/** What the specification makes of the beginning of its inputs, kept up to date while `enabled`; null asks for nothing. */
export function usePreview(spec: Spec | null, inputs: Record<string, string>, enabled: boolean): LivePreview {
  const client = useClient();
  const [count, setCount] = useState(0);
  const [busy, setBusy] = useState(false);
  const [state, setState] = useState<{ asked: string; preview: Preview | null; error: string | null }>({
    asked: "",
    preview: null,
    error: null,
  });
  const asked = spec && JSON.stringify({ spec, inputs: inputNames(spec).map((name) => [name, inputs[name] ?? ""]) });
  // biome-ignore lint/correctness/useExhaustiveDependencies: `count` asks again
  useEffect(() => {
    if (!asked || !enabled) return;
    let stale = false;
    const timer = setTimeout(async () => {
      setBusy(true);
      const { spec: wanted, inputs: pairs } = JSON.parse(asked) as { spec: PipelineSpecInput; inputs: string[][] };
      const named = pairs.map(([name = "", datasetId = ""]) => ({ name, datasetId }));
      const input = { spec: wanted, inputs: named, rows: 20 };
      const result = await client
        .query(PreviewPipelineDocument, { input }, { requestPolicy: "network-only" })
        .toPromise();
      if (stale) return;
      setBusy(false);
      const answer = result.data?.previewPipeline;
      if (answer?.__typename === "PipelinePreview") return setState({ asked, preview: answer, error: null });
      const error = answer?.message ?? (result.error ? fromCombined(result.error).message : m.noAnswer);
      setState((before) => ({ asked, preview: before.preview, error }));
    }, PAUSE);
    return () => {
      stale = true;
      clearTimeout(timer);
      setBusy(false);
    };
  }, [asked, enabled, client, count]);
  return {
    preview: asked ? state.preview : null,
    error: state.asked === asked ? state.error : null,
    busy,
    fresh: state.asked === asked && state.error === null,
    refresh: () => setCount((before) => before + 1),
  };
}

/** The specification up to and with a step, for looking at what it leaves. */
export function upTo(spec: Spec, step: number): Spec {
  // whatever the end is written as, here only rows are shown
  return { ...spec, steps: spec.steps.slice(0, step + 1), output: { format: "parquet" } };
}
