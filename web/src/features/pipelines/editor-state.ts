/** What the editor edits, with steps that keep their identity while they are moved. Pure. */
import { emptySpec, newStep, parseSpec, type Spec, type Step } from "./spec";

export interface EditorState {
  name: string;
  spec: Spec;
  /** One key a step, so that React keeps the right form when steps move. */
  keys: readonly number[];
  nextKey: number;
  /** The text in the JSON view while it is no specification. */
  draft: { text: string; error: string } | null;
}

export type EditorEvent =
  | { type: "name"; name: string }
  | { type: "spec"; spec: Spec }
  | { type: "json"; text: string }
  | { type: "add"; kind: string }
  | { type: "step"; index: number; step: Step }
  | { type: "move"; index: number; by: -1 | 1 }
  | { type: "remove"; index: number }
  | { type: "output"; output: Record<string, unknown> };

export function startState(name: string, spec: Spec = emptySpec()): EditorState {
  return { name, spec, keys: spec.steps.map((_, index) => index), nextKey: spec.steps.length, draft: null };
}

export function edit(state: EditorState, event: EditorEvent): EditorState {
  const { spec, keys } = state;
  switch (event.type) {
    case "name":
      return { ...state, name: event.name };
    case "spec":
      return rekeyed(state, event.spec);
    case "json": {
      const parsed = parseSpec(event.text);
      if ("error" in parsed) return { ...state, draft: { text: event.text, error: parsed.error } };
      return rekeyed(state, parsed.spec);
    }
    case "add":
      return {
        ...state,
        spec: { ...spec, steps: [...spec.steps, newStep(event.kind)] },
        keys: [...keys, state.nextKey],
        nextKey: state.nextKey + 1,
      };
    case "step":
      return { ...state, spec: { ...spec, steps: spec.steps.with(event.index, event.step) } };
    case "move": {
      const target = event.index + event.by;
      if (target < 0 || target >= spec.steps.length) return state;
      return {
        ...state,
        spec: { ...spec, steps: swap(spec.steps, event.index, target) },
        keys: swap(keys, event.index, target),
      };
    }
    case "remove":
      return {
        ...state,
        spec: { ...spec, steps: spec.steps.toSpliced(event.index, 1) },
        keys: keys.toSpliced(event.index, 1),
      };
    case "output":
      return { ...state, spec: { ...spec, output: event.output } };
  }
}

function rekeyed(state: EditorState, spec: Spec): EditorState {
  const keys = spec.steps.map((_, index) => state.nextKey + index);
  return { ...state, spec, keys, nextKey: state.nextKey + keys.length, draft: null };
}

function swap<T>(list: readonly T[], one: number, other: number): T[] {
  const copy = [...list];
  const [first, second] = [copy[one], copy[other]];
  if (first !== undefined && second !== undefined) [copy[one], copy[other]] = [second, first];
  return copy;
}
