/** Forms of the steps that change columns, rows and inputs; the first five are in step-forms.tsx. */
import { Select, TextArea, TextField } from "@/components/ui";
import { ColumnChoice, ColumnField } from "./column-fields";
import { ExpressionField } from "./expression-field";
import { ListForm, type Part } from "./list-form";
import { texts } from "./spec";
import type { StepFormProps } from "./step-forms";

type Form = (props: StepFormProps) => React.ReactNode;

/** A step that is one list of rows. */
function listForm(field: string, what: string, parts: readonly Part[]): Form {
  return ({ settings, columns, change }) => (
    <ListForm
      parts={parts}
      rows={settings[field]}
      columns={columns}
      what={what}
      change={(rows) => change({ ...settings, [field]: rows })}
    />
  );
}

/** A step that is one choice of columns. */
function columnsForm(field: string, legend: string): Form {
  return ({ settings, columns, change }) => (
    <ColumnChoice
      legend={legend}
      columns={columns}
      chosen={texts(settings[field])}
      change={(names) => change({ ...settings, [field]: names })}
    />
  );
}

export const DeriveForm = listForm("columns", "column", [
  { name: "name", label: "Name", kind: "text", placeholder: "total" },
  { name: "expr", label: "Expression", kind: "expression", placeholder: "unit_price * quantity" },
]);
export const RenameForm = listForm("columns", "column", [
  { name: "from", label: "Column", kind: "column" },
  { name: "to", label: "New name", kind: "text" },
]);
export const CastForm = listForm("columns", "column", [
  { name: "name", label: "Column", kind: "column" },
  { name: "type", label: "Type", kind: "type" },
]);
export const FillNullForm = listForm("columns", "column", [
  { name: "name", label: "Column", kind: "column" },
  { name: "value", label: "Value in place of null", kind: "text", placeholder: "unknown" },
]);
export const DropForm = columnsForm("columns", "Columns to remove");
export const DropNullForm = columnsForm(
  "columns",
  "Remove rows that have a null in one of these; none chosen: in any column",
);
export const DistinctForm = columnsForm("on", "Columns that must differ; none chosen: all of them");

export function SampleForm({ settings, change }: StepFormProps) {
  const { seed: _, ...rest } = settings;
  return (
    <div className="grid gap-3 sm:grid-cols-2">
      <TextField
        label="Share of the rows to keep, in percent"
        type="number"
        min={0}
        max={100}
        step="any"
        value={settings.fraction === undefined ? "" : String(Number((Number(settings.fraction) * 100).toPrecision(12)))}
        onChange={(event) => change({ ...settings, fraction: Number(event.target.value) / 100 })}
      />
      <TextField
        label="Seed"
        type="number"
        step={1}
        hint="The same seed keeps the same rows; empty: other rows each time."
        value={String(settings.seed ?? "")}
        onChange={(event) => change(event.target.value ? { ...settings, seed: Number(event.target.value) } : rest)}
      />
    </div>
  );
}

const HOW = {
  inner: "only rows with a partner",
  left: "all rows, with what the other has",
  right: "all rows of the other, with what these have",
  full: "all rows of both",
  semi: "rows that have a partner, without its columns",
  anti: "rows that have no partner",
} as const;

export function JoinForm({ settings, columns, change }: StepFormProps) {
  return (
    <div className="grid grid-cols-1 gap-3">
      <div className="grid gap-3 sm:grid-cols-2">
        <TextField
          label="Name of the other data set"
          placeholder="customers"
          hint="Which one it is, you choose at the top."
          value={String(settings.input ?? "")}
          onChange={(event) => change({ ...settings, input: event.target.value })}
        />
        <Select
          label="Keep"
          value={String(settings.how ?? "inner")}
          onChange={(event) => change({ ...settings, how: event.target.value })}
        >
          {Object.entries(HOW).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </Select>
      </div>
      <ListForm
        parts={[
          { name: "left", label: "This column", kind: "column" },
          { name: "right", label: "equals the other’s", kind: "text", placeholder: "id" },
        ]}
        rows={settings.on}
        columns={columns}
        what="pair of columns"
        change={(on) => change({ ...settings, on })}
      />
    </div>
  );
}

export function UnionForm({ settings, change }: StepFormProps) {
  return (
    <TextField
      label="Names of the data sets to append"
      placeholder="february, march"
      hint="Separated by commas; which ones they are, you choose at the top."
      defaultValue={texts(settings.inputs).join(", ")}
      onBlur={(event) => {
        const names = event.target.value.split(",").map((name) => name.trim());
        change({ ...settings, inputs: names.filter(Boolean) });
      }}
    />
  );
}

export function ExtractForm({ settings, columns, change }: StepFormProps) {
  return (
    <div className="grid gap-3 sm:grid-cols-[1fr_2fr]">
      <ColumnField
        columns={columns}
        value={String(settings.column ?? "")}
        change={(column) => change({ ...settings, column })}
      />
      <TextField
        label="Pattern"
        className="font-mono"
        placeholder="(?<level>\w+) (?<message>.*)"
        hint="A regular expression; each named group becomes a column."
        value={String(settings.pattern ?? "")}
        onChange={(event) => change({ ...settings, pattern: event.target.value })}
      />
    </div>
  );
}

const ON_FAIL = { fail: "the job fails", reject: "the row is set aside", warn: "the row is kept and counted" } as const;

export function ExpectForm({ settings, columns, change }: StepFormProps) {
  return (
    <div className="grid grid-cols-1 gap-3">
      <ExpressionField
        label="Each row should have"
        placeholder="amount > 0"
        value={String(settings.that ?? "")}
        columns={columns}
        change={(that) => change({ ...settings, that })}
      />
      <div className="grid gap-3 sm:grid-cols-2">
        <TextField
          label="Name of the check"
          placeholder="positive"
          value={String(settings.name ?? "")}
          onChange={(event) => change({ ...settings, name: event.target.value })}
        />
        <Select
          label="If not"
          value={String(settings.onFail ?? "fail")}
          onChange={(event) => change({ ...settings, onFail: event.target.value })}
        >
          {Object.entries(ON_FAIL).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </Select>
      </div>
    </div>
  );
}

export function SqlForm({ settings, change }: StepFormProps) {
  return (
    <TextArea
      label="One SELECT"
      rows={5}
      className="font-mono"
      spellCheck={false}
      placeholder="SELECT country, count(*) AS n FROM input GROUP BY country"
      hint="The rows that come in are the table input."
      value={String(settings.query ?? "")}
      onChange={(event) => change({ ...settings, query: event.target.value })}
    />
  );
}
