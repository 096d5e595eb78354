import { useEffect, useState } from "react";
import { useClient } from "urql";
import { type NamedInput, type PipelineSpecInput, ValidatePipelineDocument } from "@/gql/graphql";
import { fromCombined } from "@/lib/refusal";
import type { PipelineProblem, Spec } from "./spec";

/** Typing pauses this long before the specification is sent, in milliseconds. */
const PAUSE = 350;

export interface Check {
  problems: readonly PipelineProblem[];
  /** Whether `problems` is about the specification as it is now. */
  checked: boolean;
  error: string | null;
}

/** What the engine says about the specification, kept up to date while it is edited. */
export function useProblems(spec: Spec, inputs: NamedInput[]): Check {
  const client = useClient();
  const asked = JSON.stringify({ spec, inputs });
  const [state, setState] = useState<{ asked: string; problems: readonly PipelineProblem[]; error: string | null }>({
    asked: "",
    problems: [],
    error: null,
  });
  useEffect(() => {
    let stale = false;
    const timer = setTimeout(async () => {
      const input = JSON.parse(asked) as { spec: PipelineSpecInput; inputs: NamedInput[] };
      // without a data set only the shape can be checked
      const variables = { input: input.inputs.length > 0 ? input : { spec: input.spec } };
      const result = await client
        .query(ValidatePipelineDocument, variables, { requestPolicy: "network-only" })
        .toPromise();
      if (stale) return;
      const refused = result.error ? fromCombined(result.error) : null;
      setState({ asked, problems: result.data?.validatePipeline.problems ?? [], error: refused?.message ?? null });
    }, PAUSE);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [asked, client]);
  return { problems: state.problems, checked: state.asked === asked && state.error === null, error: state.error };
}
