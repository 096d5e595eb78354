import { Button, Select, TextField } from "@/components/ui";
import { ColumnField } from "./column-fields";
import { ExpressionField } from "./expression-field";
import { m } from "./messages";
import type { ColumnInfo } from "./spec";

/** One field of a row: a column of the step's input, a text, an expression, or a type. */
export interface Part {
  name: string;
  label: string;
  kind: "column" | "text" | "expression" | "aggregate" | "type";
  placeholder?: string;
}

interface Props {
  parts: readonly Part[];
  rows: unknown;
  columns: readonly ColumnInfo[] | null;
  /** What the button says that adds a row. */
  add: string;
  change: (rows: Record<string, string>[]) => void;
}

const TYPES = ["utf8", "int64", "float64", "decimal(12,2)", "boolean", "date", "timestamp", "timestamp(UTC)"];

/** Rows of a few fields each, as many steps have them. */
export function ListForm({ parts, rows, columns, add, change }: Props) {
  const list = (Array.isArray(rows) ? rows : []) as Record<string, string>[];
  const fresh = () =>
    Object.fromEntries(parts.map(({ name, kind }) => [name, kind === "column" ? (columns?.[0]?.name ?? "") : ""]));
  return (
    <div className="grid gap-2">
      {list.map((row, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rows are edited in place and have no identity of their own
        <div key={index} className="grid items-end gap-2 sm:grid-cols-[1fr_2fr_auto]">
          {parts.map((part) => (
            <Field
              key={part.name}
              part={part}
              value={row[part.name] ?? ""}
              columns={columns}
              change={(value) => change(list.with(index, { ...row, [part.name]: value }))}
            />
          ))}
          <Button
            variant="ghost"
            aria-label={m.removeItem({ name: row[parts[0]?.name ?? ""] || m.oneColumn })}
            onClick={() => change(list.toSpliced(index, 1))}
          >
            {m.remove}
          </Button>
        </div>
      ))}
      <div>
        <Button small onClick={() => change([...list, fresh()])}>
          {add}
        </Button>
      </div>
    </div>
  );
}

interface FieldProps {
  part: Part;
  value: string;
  columns: readonly ColumnInfo[] | null;
  change: (value: string) => void;
}

function Field({ part, value, columns, change }: FieldProps) {
  const { kind, label, placeholder = "" } = part;
  switch (kind) {
    case "column":
      return <ColumnField label={label} columns={columns} value={value} change={change} />;
    case "expression":
    case "aggregate":
      return (
        <ExpressionField
          label={label}
          placeholder={placeholder}
          value={value}
          columns={columns}
          aggregates={kind === "aggregate"}
          change={change}
        />
      );
    case "type":
      return (
        <Select label={label} value={value} onChange={(event) => change(event.target.value)}>
          {!TYPES.includes(value) && <option value={value}>{value || m.choose}</option>}
          {TYPES.map((type) => (
            <option key={type} translate="no">
              {type}
            </option>
          ))}
        </Select>
      );
    case "text":
      return (
        <TextField
          label={label}
          placeholder={placeholder}
          value={value}
          onChange={(event) => change(event.target.value)}
        />
      );
  }
}
