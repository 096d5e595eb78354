import { type FormEvent, useState } from "react";
import { Note } from "@/components/layout";
import { Button, Select, TextField } from "@/components/ui";
import { Words } from "@/components/words";
import type { NamedInput, ScheduleChoicesQuery, ScheduleOverlap } from "@/gql/graphql";
import { inputNames } from "@/lib/inputs";
import type { Action } from "@/lib/use-action";
import { type Rhythm, toCron } from "./cron";
import { m } from "./messages";
import { RhythmFields } from "./rhythm-fields";

export interface Values {
  pipelineId: string;
  rhythm: Rhythm;
  timeZone: string;
  overlap: ScheduleOverlap;
  inputs: Record<string, string>;
}

export interface Wanted {
  cron: string;
  timeZone: string;
  overlap: ScheduleOverlap;
  inputs: NamedInput[];
}

interface Props {
  start: Values;
  choices: ScheduleChoicesQuery;
  /** The pipeline of an existing schedule stays. */
  fixed: boolean;
  label: string;
  action: Action;
  save: (pipelineId: string, wanted: Wanted) => void;
}

/** All settings of a schedule, of a new one and of one that exists. */
export function ScheduleForm({ start, choices, fixed, label, action, save }: Props) {
  const [values, setValues] = useState(start);
  const set = (changes: Partial<Values>) => setValues({ ...values, ...changes });
  const pipeline = choices.pipelines.nodes.find(({ id }) => id === values.pipelineId);
  const names = pipeline ? inputNames(pipeline.spec) : [];
  const general = action.otherThan("pipelineId", "cron", "timeZone", "overlap");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const inputs = names.map((name) => ({ name, datasetId: values.inputs[name] ?? "" }));
    save(values.pipelineId, {
      cron: toCron(values.rhythm),
      timeZone: values.timeZone.trim(),
      overlap: values.overlap,
      inputs,
    });
  };
  return (
    <form onSubmit={submit} className="grid grid-cols-1 gap-4">
      {general && <Note tone="bad" title={<Words text={general} />} />}
      <div className="grid gap-4 sm:grid-cols-2">
        <Select
          label={m.pipeline}
          required
          disabled={fixed}
          value={values.pipelineId}
          error={action.errorOf("pipelineId")}
          onChange={(event) => set({ pipelineId: event.target.value })}
        >
          <option value="">{m.choose}</option>
          {choices.pipelines.nodes.map(({ id, name }) => (
            <option key={id} translate="no" value={id}>
              {name}
            </option>
          ))}
          {fixed && !pipeline && <option value={values.pipelineId}>{m.pipelineOfThisSchedule}</option>}
        </Select>
        {names.map((name) => (
          <Select
            key={name}
            label={name === "input" ? m.dataSet : m.dataSetName({ name })}
            required
            value={values.inputs[name] ?? ""}
            onChange={(event) => set({ inputs: { ...values.inputs, [name]: event.target.value } })}
          >
            <option value="">{m.choose}</option>
            {choices.datasets.nodes.map((dataset) => (
              <option key={dataset.id} translate="no" value={dataset.id} disabled={dataset.status !== "READY"}>
                {dataset.name}
              </option>
            ))}
          </Select>
        ))}
      </div>
      <RhythmFields rhythm={values.rhythm} change={(rhythm) => set({ rhythm })} error={action.errorOf("cron")} />
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          label={m.timeZone}
          required
          list="time-zones"
          value={values.timeZone}
          error={action.errorOf("timeZone")}
          hint={m.whoseClockIsMeant}
          onChange={(event) => set({ timeZone: event.target.value })}
        />
        <datalist id="time-zones">
          {Intl.supportedValuesOf("timeZone").map((zone) => (
            <option key={zone} value={zone} />
          ))}
        </datalist>
        <Select
          label={m.whenTheRunBeforeHasNotEnded}
          value={values.overlap}
          onChange={(event) => set({ overlap: event.target.value as ScheduleOverlap })}
        >
          <option value="SKIP">{m.leaveThisRunOut}</option>
          <option value="QUEUE">{m.runOnceItHasEnded}</option>
        </Select>
      </div>
      <div>
        <Button type="submit" variant="primary" busy={action.busy}>
          {label}
        </Button>
      </div>
    </form>
  );
}
