import { Select, TextField } from "@/components/ui";
import { m } from "./messages";
import type { ColumnInfo } from "./spec";

/** Check boxes for columns; unknown ones that are chosen stay visible. */
export function ColumnChoice({
  legend,
  columns,
  chosen,
  change,
}: {
  legend: string;
  columns: readonly ColumnInfo[] | null;
  chosen: string[];
  change: (names: string[]) => void;
}) {
  if (!columns) {
    return (
      <TextField
        label={legend}
        hint={m.namesByCommas}
        defaultValue={chosen.join(", ")}
        onBlur={(event) =>
          change(
            event.target.value
              .split(",")
              .map((name) => name.trim())
              .filter(Boolean),
          )
        }
      />
    );
  }
  const names = [
    ...columns.map(({ name }) => name),
    ...chosen.filter((name) => !columns.some((column) => column.name === name)),
  ];
  return (
    <fieldset>
      <legend className="text-sm font-medium">{legend}</legend>
      <div className="mt-1 flex max-h-48 flex-wrap gap-x-4 gap-y-1 overflow-auto">
        {names.map((name) => (
          <label key={name} translate="no" className="flex items-center gap-1.5">
            <input
              type="checkbox"
              className="size-4 accent-accent"
              checked={chosen.includes(name)}
              onChange={(event) =>
                change(event.target.checked ? [...chosen, name] : chosen.filter((other) => other !== name))
              }
            />
            {name}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** One column: chosen from those that are known, else typed. */
export function ColumnField({
  label = m.column,
  columns,
  value,
  change,
}: {
  label?: string;
  columns: readonly ColumnInfo[] | null;
  value: string;
  change: (name: string) => void;
}) {
  const known = columns?.map(({ name }) => name);
  if (!known) return <TextField label={label} value={value} onChange={(event) => change(event.target.value)} />;
  const names = known.includes(value) ? known : [value, ...known];
  return (
    <Select label={label} value={value} onChange={(event) => change(event.target.value)}>
      {names.map((name) => (
        <option key={name} translate="no">
          {name}
        </option>
      ))}
    </Select>
  );
}
