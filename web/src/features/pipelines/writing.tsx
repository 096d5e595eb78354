import type { Dispatch } from "react";
import { Checkbox } from "@/components/checkbox";
import { Panel } from "@/components/layout";
import { Select } from "@/components/ui";
import { ColumnChoice } from "./column-fields";
import type { EditorEvent } from "./editor-state";
import { m } from "./messages";
import { compressionsOf, formatOf, hasFormulas, hasHeader, type Output, withSettings } from "./output";
import { type ColumnInfo, texts } from "./spec";

interface Props {
  output: Output;
  /** The columns of the result, as far as they are known. */
  columns: readonly ColumnInfo[] | null;
  dispatch: Dispatch<EditorEvent>;
}

/** How the result is written, beside its format. */
export function Writing({ output, columns, dispatch }: Props) {
  const format = formatOf(output);
  const set = (changes: Output) => dispatch({ type: "output", output: withSettings(output, changes) });
  const [usual = "none", ...others] = compressionsOf(format);
  return (
    <Panel>
      <details>
        <summary className="font-semibold">{m.howItIsWritten}</summary>
        <div className="mt-3 grid grid-cols-1 gap-4">
          <div className="grid gap-4 sm:grid-cols-2">
            <Select
              label={m.compression}
              value={String(output.compression ?? usual)}
              onChange={(event) => set({ compression: event.target.value, level: undefined })}
            >
              {[usual, ...others].map((each) => (
                <option key={each} translate="no">
                  {each}
                </option>
              ))}
            </Select>
            {hasHeader(format) && (
              <div className="self-end pb-1.5">
                <Checkbox
                  label={m.columnNamesFirst}
                  checked={output.header !== false}
                  change={(header) => set({ header: header ? undefined : false })}
                />
              </div>
            )}
          </div>
          {hasFormulas(format) && (
            <Checkbox
              label={m.escapeFormulas}
              hint={m.whatEscapingFormulasIs}
              checked={output.escapeFormulas === true}
              change={(on) => set({ escapeFormulas: on || undefined })}
            />
          )}
          <ColumnChoice
            legend={m.folderForEachValueOf}
            columns={columns}
            chosen={texts(output.partitionBy)}
            change={(names) => set({ partitionBy: names.length > 0 ? names : undefined })}
          />
        </div>
      </details>
    </Panel>
  );
}
