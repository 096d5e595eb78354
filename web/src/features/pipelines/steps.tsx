import type { Dispatch } from "react";
import { Button } from "@/components/ui";
import type { EditorEvent, EditorState } from "./editor-state";
import { m } from "./messages";
import { type ColumnInfo, columnsAt, kindOf, type PipelineProblem, problemsOf } from "./spec";
import { FORMS, StepCard } from "./step-card";
import type { LivePreview } from "./use-preview";

interface Props {
  state: EditorState;
  /** Counts undos and redos: after one the fields are drawn anew. */
  jumps: number;
  live: LivePreview;
  /** The step behind which rows are shown. */
  after: number | null;
  show: (step: number) => void;
  schema: readonly ColumnInfo[] | null;
  problems: readonly PipelineProblem[];
  dispatch: Dispatch<EditorEvent>;
}

/** The steps in order, and buttons to add one. */
export function Steps({ state, jumps, live, after, show, schema, problems, dispatch }: Props) {
  const { spec, keys } = state;
  return (
    <div className="grid grid-cols-1 gap-3">
      {spec.steps.length === 0 && <p className="text-muted">{m.noSteps}</p>}
      <ol className="grid gap-3">
        {spec.steps.map((step, index) => (
          <StepCard
            key={`${jumps} ${keys[index]}`}
            step={step}
            number={index + 1}
            last={index === spec.steps.length - 1}
            columns={columnsAt(spec, schema, index)}
            problems={problemsOf(problems, index)}
            outcome={live.preview?.steps.find((each) => each.index === index && each.step === kindOf(step)) ?? null}
            fresh={live.fresh}
            shown={after === index}
            show={() => show(index)}
            change={(next) => dispatch({ type: "step", index, step: next })}
            move={(by) => dispatch({ type: "move", index, by })}
            remove={() => dispatch({ type: "remove", index })}
          />
        ))}
      </ol>
      <fieldset className="flex flex-wrap items-center gap-2">
        <legend className="sr-only">{m.addAStep}</legend>
        <span aria-hidden="true" className="text-sm text-muted">
          {m.addStepColon}
        </span>
        {Object.entries(FORMS).map(([kind, { title }]) => (
          <Button key={kind} small onClick={() => dispatch({ type: "add", kind })}>
            {title()}
          </Button>
        ))}
      </fieldset>
    </div>
  );
}
