/** Forms of the steps that change columns, rows and inputs; the first five are in step-forms.tsx. */
import { Select, TextArea, TextField } from "@/components/ui";
import { ColumnChoice, ColumnField } from "./column-fields";
import { ExpressionField } from "./expression-field";
import { ListForm, type Part } from "./list-form";
import { m } from "./messages";
import { texts } from "./spec";
import type { StepFormProps } from "./step-forms";

type Form = (props: StepFormProps) => React.ReactNode;

/** A step that is one list of rows. */
function listForm(field: string, parts: () => readonly Part[]): Form {
  return ({ settings, columns, change }) => (
    <ListForm
      parts={parts()}
      rows={settings[field]}
      columns={columns}
      add={m.addColumn}
      change={(rows) => change({ ...settings, [field]: rows })}
    />
  );
}

/** A step that is one choice of columns. */
function columnsForm(field: string, legend: () => string): Form {
  return ({ settings, columns, change }) => (
    <ColumnChoice
      legend={legend()}
      columns={columns}
      chosen={texts(settings[field])}
      change={(names) => change({ ...settings, [field]: names })}
    />
  );
}

export const DeriveForm = listForm("columns", () => [
  { name: "name", label: m.name, kind: "text", placeholder: m.total },
  { name: "expr", label: m.expression, kind: "expression", placeholder: "unit_price * quantity" },
]);
export const RenameForm = listForm("columns", () => [
  { name: "from", label: m.column, kind: "column" },
  { name: "to", label: m.newName, kind: "text" },
]);
export const CastForm = listForm("columns", () => [
  { name: "name", label: m.column, kind: "column" },
  { name: "type", label: m.type, kind: "type" },
]);
export const FillNullForm = listForm("columns", () => [
  { name: "name", label: m.column, kind: "column" },
  { name: "value", label: m.valueForNull, kind: "text", placeholder: m.unknownValue },
]);
export const DropForm = columnsForm("columns", () => m.columnsToRemove);
export const DropNullForm = columnsForm("columns", () => m.removeRowsWithNullIn);
export const DistinctForm = columnsForm("on", () => m.columnsThatMustDiffer);

export function SampleForm({ settings, change }: StepFormProps) {
  const { seed: _, ...rest } = settings;
  return (
    <div className="grid gap-3 sm:grid-cols-2">
      <TextField
        label={m.shareToKeep}
        type="number"
        min={0}
        max={100}
        step="any"
        value={settings.fraction === undefined ? "" : String(Number((Number(settings.fraction) * 100).toPrecision(12)))}
        onChange={(event) => change({ ...settings, fraction: Number(event.target.value) / 100 })}
      />
      <TextField
        label={m.seed}
        type="number"
        step={1}
        hint={m.whatASeedIs}
        value={String(settings.seed ?? "")}
        onChange={(event) => change(event.target.value ? { ...settings, seed: Number(event.target.value) } : rest)}
      />
    </div>
  );
}

const HOW = {
  inner: () => m.inner,
  left: () => m.left,
  right: () => m.right,
  full: () => m.full,
  semi: () => m.semi,
  anti: () => m.anti,
};

export function JoinForm({ settings, columns, change }: StepFormProps) {
  return (
    <div className="grid grid-cols-1 gap-3">
      <div className="grid gap-3 sm:grid-cols-2">
        <TextField
          label={m.nameOfTheOther}
          placeholder={m.customers}
          hint={m.whichIsChosenAtTheTop}
          value={String(settings.input ?? "")}
          onChange={(event) => change({ ...settings, input: event.target.value })}
        />
        <Select
          label={m.keep}
          value={String(settings.how ?? "inner")}
          onChange={(event) => change({ ...settings, how: event.target.value })}
        >
          {Object.entries(HOW).map(([value, text]) => (
            <option key={value} value={value}>
              {text()}
            </option>
          ))}
        </Select>
      </div>
      <ListForm
        parts={[
          { name: "left", label: m.thisColumn, kind: "column" },
          { name: "right", label: m.equalsTheOthers, kind: "text", placeholder: "id" },
        ]}
        rows={settings.on}
        columns={columns}
        add={m.addPair}
        change={(on) => change({ ...settings, on })}
      />
    </div>
  );
}

export function UnionForm({ settings, change }: StepFormProps) {
  return (
    <TextField
      label={m.namesToAppend}
      placeholder={m.februaryMarch}
      hint={m.byCommasChosenAtTheTop}
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
        label={m.pattern}
        className="font-mono"
        placeholder="(?<level>\w+) (?<message>.*)"
        hint={m.whatAPatternIs}
        value={String(settings.pattern ?? "")}
        onChange={(event) => change({ ...settings, pattern: event.target.value })}
      />
    </div>
  );
}

const ON_FAIL = { fail: () => m.onFailFail, reject: () => m.onFailReject, warn: () => m.onFailWarn };

export function ExpectForm({ settings, columns, change }: StepFormProps) {
  return (
    <div className="grid grid-cols-1 gap-3">
      <ExpressionField
        label={m.eachRowShouldHave}
        placeholder="amount > 0"
        value={String(settings.that ?? "")}
        columns={columns}
        change={(that) => change({ ...settings, that })}
      />
      <div className="grid gap-3 sm:grid-cols-2">
        <TextField
          label={m.nameOfTheCheck}
          placeholder={m.positive}
          value={String(settings.name ?? "")}
          onChange={(event) => change({ ...settings, name: event.target.value })}
        />
        <Select
          label={m.ifNot}
          value={String(settings.onFail ?? "fail")}
          onChange={(event) => change({ ...settings, onFail: event.target.value })}
        >
          {Object.entries(ON_FAIL).map(([value, text]) => (
            <option key={value} value={value}>
              {text()}
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
      label={m.oneSelect}
      rows={5}
      className="font-mono"
      spellCheck={false}
      placeholder="SELECT country, count(*) AS n FROM input GROUP BY country"
      hint={m.rowsAreTheTableInput}
      value={String(settings.query ?? "")}
      onChange={(event) => change({ ...settings, query: event.target.value })}
    />
  );
}
