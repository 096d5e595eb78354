import { Button } from "@/components/ui";
import { m } from "./messages";
import {
  CastForm,
  DeriveForm,
  DistinctForm,
  DropForm,
  DropNullForm,
  ExpectForm,
  ExtractForm,
  FillNullForm,
  JoinForm,
  RenameForm,
  SampleForm,
  SqlForm,
  UnionForm,
} from "./more-forms";
import { Problems } from "./problems";
import { type ColumnInfo, kindOf, type PipelineProblem, type Step, settingsOf } from "./spec";
import { AggregateForm, FilterForm, LimitForm, SelectForm, SortForm, type StepFormProps } from "./step-forms";
import { StepOutcome } from "./step-outcome";
import type { Preview } from "./use-preview";

type Form = (props: StepFormProps) => React.ReactNode;

export const FORMS: Record<string, { title: () => string; form: Form }> = {
  filter: { title: () => m.filter, form: FilterForm },
  select: { title: () => m.selectColumns, form: SelectForm },
  aggregate: { title: () => m.aggregate, form: AggregateForm },
  sort: { title: () => m.sort, form: SortForm },
  limit: { title: () => m.limit, form: LimitForm },
  derive: { title: () => m.addColumns, form: DeriveForm },
  rename: { title: () => m.rename, form: RenameForm },
  cast: { title: () => m.changeTypes, form: CastForm },
  drop: { title: () => m.dropColumns, form: DropForm },
  distinct: { title: () => m.distinct, form: DistinctForm },
  fillNull: { title: () => m.fillNulls, form: FillNullForm },
  dropNull: { title: () => m.dropNulls, form: DropNullForm },
  join: { title: () => m.join, form: JoinForm },
  union: { title: () => m.append, form: UnionForm },
  extract: { title: () => m.extract, form: ExtractForm },
  sample: { title: () => m.sample, form: SampleForm },
  expect: { title: () => m.check, form: ExpectForm },
  sql: { title: () => "SQL", form: SqlForm },
};

interface Props {
  step: Step;
  number: number;
  last: boolean;
  columns: readonly ColumnInfo[] | null;
  problems: readonly PipelineProblem[];
  /** What it did to the sample; null while nobody knows. */
  outcome: Preview["steps"][number] | null;
  fresh: boolean;
  shown: boolean;
  show: () => void;
  change: (step: Step) => void;
  move: (by: -1 | 1) => void;
  remove: () => void;
}

export function StepCard(props: Props) {
  const { step, number, last, columns, problems, outcome, change, move, remove } = props;
  const kind = kindOf(step);
  const known = FORMS[kind];
  const title = known?.title() ?? kind;
  const Form = known?.form;
  const name = m.stepNumberTitle({ number, title });
  return (
    <li className="rounded-xl border border-line bg-surface p-4" data-step={kind}>
      <div className="mb-3 flex flex-wrap items-center justify-between gap-2">
        <h3 className="font-semibold">
          <span className="mr-2 inline-grid size-6 place-items-center rounded-full bg-raised text-sm tabular-nums">
            {number}
          </span>
          {title}
        </h3>
        <div className="flex gap-1">
          <Button
            small
            variant="ghost"
            disabled={number === 1}
            onClick={() => move(-1)}
            aria-label={m.moveUp({ name })}
          >
            ↑
          </Button>
          <Button small variant="ghost" disabled={last} onClick={() => move(1)} aria-label={m.moveDown({ name })}>
            ↓
          </Button>
          <Button small variant="ghost" onClick={remove} aria-label={m.removeItem({ name })}>
            {m.remove}
          </Button>
        </div>
      </div>
      <div className="grid grid-cols-1 gap-3">
        {Form ? (
          <Form settings={settingsOf(step)} columns={columns} change={(settings) => change({ [kind]: settings })} />
        ) : (
          <pre translate="no" className="relative overflow-x-auto rounded-lg bg-raised p-3 font-mono text-sm">
            {JSON.stringify(settingsOf(step), null, 2)}
          </pre>
        )}
        {!Form && <p className="text-sm text-muted">{m.editInJsonView}</p>}
        <Problems problems={problems} />
        {outcome && problems.length === 0 && (
          <div className="flex flex-wrap items-center justify-between gap-2">
            <StepOutcome outcome={outcome} fresh={props.fresh} />
            {!last && (
              <Button small variant="ghost" aria-pressed={props.shown} onClick={props.show}>
                {m.showWhatStepLeaves({ number })}
              </Button>
            )}
          </div>
        )}
      </div>
    </li>
  );
}
