import type { Dispatch } from "react";
import { Panel } from "@/components/layout";
import { Select, TextField } from "@/components/ui";
import type { EditorEvent } from "./editor-state";
import { ListForm } from "./list-form";
import { m } from "./messages";
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
        <summary className="font-semibold">{m.howItIsRead}</summary>
        <div className="mt-3 grid grid-cols-1 gap-4">
          <div>
            <p className="mb-2 text-sm text-muted">{m.typesWereFound}</p>
            <ListForm
              parts={[
                { name: "name", label: m.column, kind: "column" },
                { name: "type", label: m.isReadAs, kind: "type" },
              ]}
              rows={mainOverride(spec).columns}
              columns={schema}
              add={m.addType}
              change={(columns) => set(withOverride(spec, { columns: columns.length > 0 ? columns : undefined }))}
            />
          </div>
          <div className="grid gap-4 sm:grid-cols-2">
            <Select
              label={m.rowThatCannotBeRead}
              value={String(spec.onBadRow ?? "reject")}
              onChange={(event) => set({ ...spec, onBadRow: event.target.value })}
            >
              <option value="reject">{m.isSetAside}</option>
              <option value="fail">{m.endsTheJob}</option>
            </Select>
            {spec.onBadRow !== "fail" && (
              <TextField
                label={m.endAfterSoManyRejects}
                type="number"
                min={0}
                hint={m.emptyNever}
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
