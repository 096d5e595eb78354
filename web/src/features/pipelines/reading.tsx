import type { Dispatch } from "react";
import { Panel } from "@/components/layout";
import { Select, TextField } from "@/components/ui";
import type { EditorEvent } from "./editor-state";
import { ListForm } from "./list-form";
import { type ColumnInfo, mainOverride, type Spec, withOverride } from "./spec";

interface Props {
  spec: Spec;
  schema: readonly ColumnInfo[] | null;
  dispatch: Dispatch<EditorEvent>;
}

/** How the main data set is read: types other than those that were found, and what happens to rows that do not fit. */
export function Reading({ spec, schema, dispatch }: Props) {
  const set = (changed: Spec) => dispatch({ type: "spec", spec: changed });
  const { maxRejects: _, ...unlimited } = spec;
  return (
    <Panel>
      <details>
        <summary className="font-semibold">How the data set is read</summary>
        <div className="mt-3 grid grid-cols-1 gap-4">
          <div>
            <p className="mb-2 text-sm text-muted">
              Types were found by looking at the values. Where you know better, say so: values that do not fit are set
              aside.
            </p>
            <ListForm
              parts={[
                { name: "name", label: "Column", kind: "column" },
                { name: "type", label: "Is read as", kind: "type" },
              ]}
              rows={mainOverride(spec).columns}
              columns={schema}
              what="type"
              change={(columns) => set(withOverride(spec, { columns: columns.length > 0 ? columns : undefined }))}
            />
          </div>
          <div className="grid gap-4 sm:grid-cols-2">
            <Select
              label="A row that cannot be read"
              value={String(spec.onBadRow ?? "reject")}
              onChange={(event) => set({ ...spec, onBadRow: event.target.value })}
            >
              <option value="reject">is set aside, with its reason</option>
              <option value="fail">ends the job</option>
            </Select>
            {spec.onBadRow !== "fail" && (
              <TextField
                label="End the job after so many rows set aside"
                type="number"
                min={0}
                hint="Empty: never."
                value={String(spec.maxRejects ?? "")}
                onChange={(event) =>
                  set(
                    event.target.value
                      ? { ...spec, maxRejects: Number(event.target.value) }
                      : { ...unlimited, version: 1, steps: spec.steps, output: spec.output },
                  )
                }
              />
            )}
          </div>
        </div>
      </details>
    </Panel>
  );
}
