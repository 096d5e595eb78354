import { useState } from "react";
import { Button, Select, TextField } from "@/components/ui";
import { ColumnChoice, ColumnField } from "./column-fields";
import { ExpressionField } from "./expression-field";
import { ListForm, type Part } from "./list-form";
import { m } from "./messages";
import { andAlso, type ColumnInfo, identifier, literal, texts } from "./spec";

export interface StepFormProps {
  settings: Record<string, unknown>;
  columns: readonly ColumnInfo[] | null;
  change: (settings: Record<string, unknown>) => void;
}

// no text: what SQL says
const OPERATORS = ["=", "<>", ">", ">=", "<", "<=", "contains", "is null", "is not null"];

function condition(column: ColumnInfo, operator: string, value: string): string {
  const name = identifier(column.name);
  if (operator.startsWith("is ")) return `${name} ${operator.toUpperCase()}`;
  if (operator === "contains") return `${name} LIKE ${literal(`%${value}%`, "utf8")}`;
  return `${name} ${operator} ${literal(value, column.type)}`;
}

export function FilterForm({ settings, columns, change }: StepFormProps) {
  const where = String(settings.where ?? "");
  return (
    <div className="grid grid-cols-1 gap-3">
      <ExpressionField
        label={m.keepRowsWhere}
        hint={columns?.length === 1 && columns[0]?.name === "line" ? m.expressionOfALine : m.expressionOfARow}
        rows={2}
        value={where}
        columns={columns}
        change={(next) => change({ ...settings, where: next })}
      />
      {columns && columns.length > 0 && (
        <ConditionMaker columns={columns} add={(text) => change({ ...settings, where: andAlso(where, text) })} />
      )}
    </div>
  );
}

/** Makes a condition for people who would rather not write SQL. */
function ConditionMaker({ columns, add }: { columns: readonly ColumnInfo[]; add: (text: string) => void }) {
  const [chosen, setChosen] = useState("");
  const [operator, setOperator] = useState("=");
  const [value, setValue] = useState("");
  const column = columns.find((each) => each.name === chosen) ?? columns[0];
  if (!column) return null;
  return (
    <div className="grid items-end gap-2 sm:grid-cols-[2fr_1fr_2fr_auto]">
      <Select label={m.column} value={column.name} onChange={(event) => setChosen(event.target.value)}>
        {columns.map(({ name }) => (
          <option key={name} translate="no">
            {name}
          </option>
        ))}
      </Select>
      <Select label={m.operator} value={operator} onChange={(event) => setOperator(event.target.value)}>
        {OPERATORS.map((each) => (
          <option key={each} translate="no">
            {each}
          </option>
        ))}
      </Select>
      <TextField
        label={m.value}
        value={value}
        disabled={operator.startsWith("is ")}
        onChange={(event) => setValue(event.target.value)}
      />
      <Button onClick={() => add(condition(column, operator, value))}>{m.addCondition}</Button>
    </div>
  );
}

export function SelectForm({ settings, columns, change }: StepFormProps) {
  return (
    <ColumnChoice
      legend={m.columnsToKeep}
      columns={columns}
      chosen={texts(settings.columns)}
      change={(names) => change({ ...settings, columns: names })}
    />
  );
}

const figure = (): readonly Part[] => [
  { name: "name", label: m.name, kind: "text" },
  { name: "expr", label: m.expression, kind: "aggregate", placeholder: "sum(amount)" },
];

export function AggregateForm({ settings, columns, change }: StepFormProps) {
  return (
    <div className="grid grid-cols-1 gap-3">
      <ColumnChoice
        legend={m.groupBy}
        columns={columns}
        chosen={texts(settings.groupBy)}
        change={(groupBy) => change({ ...settings, groupBy })}
      />
      <ListForm
        parts={figure()}
        rows={settings.aggregates}
        columns={columns}
        add={m.addFigure}
        change={(aggregates) => change({ ...settings, aggregates })}
      />
    </div>
  );
}

interface SortKey {
  column: string;
  descending?: boolean;
}

export function SortForm({ settings, columns, change }: StepFormProps) {
  const by = (Array.isArray(settings.by) ? settings.by : []) as SortKey[];
  const set = (next: SortKey[]) => change({ ...settings, by: next });
  return (
    <div className="grid gap-2">
      {by.map((key, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rows are edited in place and have no identity of their own
        <div key={index} className="grid items-end gap-2 sm:grid-cols-[2fr_1fr_auto]">
          <ColumnField
            columns={columns}
            value={key.column}
            change={(column) => set(by.with(index, { ...key, column }))}
          />
          <Select
            label={m.order}
            value={key.descending ? "descending" : "ascending"}
            onChange={(event) => set(by.with(index, { ...key, descending: event.target.value === "descending" }))}
          >
            <option value="ascending">{m.smallestFirst}</option>
            <option value="descending">{m.largestFirst}</option>
          </Select>
          <Button
            variant="ghost"
            aria-label={m.removeItem({ name: key.column || m.oneColumn })}
            onClick={() => set(by.toSpliced(index, 1))}
          >
            {m.remove}
          </Button>
        </div>
      ))}
      <div>
        <Button small onClick={() => set([...by, { column: columns?.[0]?.name ?? "" }])}>
          {m.addColumn}
        </Button>
      </div>
    </div>
  );
}

export function LimitForm({ settings, change }: StepFormProps) {
  return (
    <TextField
      label={m.keepThisManyRows}
      type="number"
      min={0}
      className="max-w-40"
      value={String(settings.rows ?? "")}
      onChange={(event) => change({ ...settings, rows: Number(event.target.value) })}
    />
  );
}
