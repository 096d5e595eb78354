import { Button } from "@/components/ui";
import { Problems } from "./problems";
import { type ColumnInfo, kindOf, type PipelineProblem, type Step, settingsOf } from "./spec";
import { AggregateForm, FilterForm, LimitForm, SelectForm, SortForm, type StepFormProps } from "./step-forms";

type Form = (props: StepFormProps) => React.ReactNode;

export const FORMS: Record<string, { title: string; form: Form }> = {
  filter: { title: "Filter", form: FilterForm },
  select: { title: "Select columns", form: SelectForm },
  aggregate: { title: "Aggregate", form: AggregateForm },
  sort: { title: "Sort", form: SortForm },
  limit: { title: "Limit", form: LimitForm },
};

interface Props {
  step: Step;
  number: number;
  last: boolean;
  columns: readonly ColumnInfo[] | null;
  problems: readonly PipelineProblem[];
  change: (step: Step) => void;
  move: (by: -1 | 1) => void;
  remove: () => void;
}

export function StepCard({ step, number, last, columns, problems, change, move, remove }: Props) {
  const kind = kindOf(step);
  const known = FORMS[kind];
  const title = known?.title ?? kind;
  const Form = known?.form;
  const name = `step ${number}, ${title}`;
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
          <Button small variant="ghost" disabled={number === 1} onClick={() => move(-1)} aria-label={`Move ${name} up`}>
            ↑
          </Button>
          <Button small variant="ghost" disabled={last} onClick={() => move(1)} aria-label={`Move ${name} down`}>
            ↓
          </Button>
          <Button small variant="ghost" onClick={remove} aria-label={`Remove ${name}`}>
            Remove
          </Button>
        </div>
      </div>
      <div className="grid grid-cols-1 gap-3">
        {Form ? (
          <Form settings={settingsOf(step)} columns={columns} change={(settings) => change({ [kind]: settings })} />
        ) : (
          <pre className="overflow-x-auto rounded-lg bg-raised p-3 font-mono text-sm">
            {JSON.stringify(settingsOf(step), null, 2)}
          </pre>
        )}
        {!Form && <p className="text-sm text-muted">Edit this step in the JSON view.</p>}
        <Problems problems={problems} />
      </div>
    </li>
  );
}
