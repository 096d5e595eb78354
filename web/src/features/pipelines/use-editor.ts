import { useNavigate } from "@tanstack/react-router";
import { useReducer, useState } from "react";
import { useClient } from "urql";
import {
  CreatePipelineDocument,
  DeletePipelineDocument,
  type PipelineSpecInput,
  RunJobDocument,
  UpdatePipelineDocument,
} from "@/gql/graphql";
import { act } from "@/lib/client";
import { randomKey } from "@/lib/random";
import { messageOf } from "@/lib/refusal";
import type { EditorState } from "./editor-state";
import { m } from "./messages";
import { inputNames } from "./spec";
import { begin, travel } from "./timeline";
import type { Choice } from "./types";
import { useProblems } from "./use-problems";

export interface EditorProps {
  pipelineId: string | null;
  version: number | null;
  start: EditorState;
  choices: readonly Choice[];
  datasetId: string;
}

/** The editor's state and what its buttons do. */
export function useEditor({ pipelineId, version, start, choices, datasetId }: EditorProps) {
  const client = useClient();
  const navigate = useNavigate();
  const [timeline, dispatch] = useReducer(travel, start, begin);
  const state = timeline.now;
  const [saved, setSaved] = useState({
    id: pipelineId,
    version,
    name: start.name,
    spec: pipelineId ? JSON.stringify(start.spec) : "",
  });
  const [inputs, setInputs] = useState<Record<string, string>>(datasetId ? { input: datasetId } : {});
  const [busy, setBusy] = useState<"save" | "run" | null>(null);
  const [error, setError] = useState<string | null>(null);

  const names = inputNames(state.spec);
  const bound = names.flatMap((name) => (inputs[name] ? [{ name, datasetId: inputs[name] }] : []));
  const find = (name: string) => choices.find(({ id }) => id === inputs[name]);
  const ready = bound.filter(({ name }) => find(name)?.status === "READY");
  const check = useProblems(state.spec, ready.length === names.length ? ready : []);
  const main = find("input");
  const dirty = saved.id === null || saved.name !== state.name || saved.spec !== JSON.stringify(state.spec);
  const missing = names.filter((name) => find(name)?.status !== "READY");
  const blocked = state.draft !== null || check.problems.length > 0 || busy !== null;

  const store = async (): Promise<string> => {
    if (!dirty && saved.id) return saved.id;
    const spec = state.spec as unknown as PipelineSpecInput;
    const name = state.name.trim() || (main ? m.pipelineOf({ name: main.name }) : m.pipeline);
    const { pipeline } = saved.id
      ? await act(client, UpdatePipelineDocument, { input: { id: saved.id, name, spec } })
      : await act(client, CreatePipelineDocument, { input: { name, spec } });
    dispatch({ type: "name", name });
    setSaved({ id: pipeline.id, version: pipeline.latestVersion.version, name, spec: JSON.stringify(state.spec) });
    return pipeline.id;
  };
  const attempt = async (kind: "save" | "run", work: () => Promise<unknown>) => {
    setBusy(kind);
    setError(null);
    try {
      await work();
    } catch (thrown) {
      setError(messageOf(thrown));
    } finally {
      setBusy(null);
    }
  };
  const save = () =>
    attempt("save", async () => {
      const id = await store();
      if (!pipelineId)
        await navigate({ to: "/pipelines/$id", params: { id }, search: { dataset: inputs.input }, replace: true });
    });
  const run = () =>
    attempt("run", async () => {
      const input = { pipelineId: await store(), inputs: bound, idempotencyKey: randomKey() };
      const { job } = await act(client, RunJobDocument, { input });
      await navigate({ to: "/jobs/$id", params: { id: job.id } });
    });
  const remove = async () => {
    if (saved.id) await act(client, DeletePipelineDocument, { input: { id: saved.id } });
    await navigate({ to: "/pipelines" });
  };
  const bind = (name: string, id: string) => setInputs({ ...inputs, [name]: id });
  return {
    state,
    timeline,
    dispatch,
    saved,
    dirty,
    names,
    inputs,
    bind,
    main,
    missing,
    check,
    blocked,
    busy,
    error,
    save,
    run,
    remove,
  };
}
