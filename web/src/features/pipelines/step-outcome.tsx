import { Words } from "@/components/words";
import { m } from "./messages";
import type { Preview } from "./use-preview";

type Outcome = Preview["steps"][number];

/** What a step did to the sample, in one line. */
export function StepOutcome({ outcome, fresh }: { outcome: Outcome; fresh: boolean }) {
  return (
    <p
      className={`text-sm text-muted tabular-nums ${fresh ? "" : "border-l-4 border-warn pl-3"}`}
      data-outcome={outcome.step}
    >
      {changes(outcome).join(" · ")}
      {outcome.note && (
        <span className="block">
          <Words text={outcome.note} />
        </span>
      )}
    </p>
  );
}

/** Rows, and the columns that came, went, or changed their type; of many columns only how many. */
export function changes(outcome: Outcome): string[] {
  const { rowsIn, rowsOut, columnsAdded, columnsRemoved, columnsRetyped } = outcome;
  const list = [m.rowsInOut({ rowsIn, count: rowsOut })];
  const few = (sign: string, names: string[]) => {
    if (names.length === 0) return;
    list.push(
      names.length > 6
        ? m.columnsChanged({ sign, count: names.length })
        : m.columnsNamed({ sign, names: names.join(`, ${sign} `) }),
    );
  };
  few(
    "+",
    columnsAdded.map(({ name, type }) => `${name} ${type}`),
  );
  few("−", [...columnsRemoved]);
  few(
    "~",
    columnsRetyped.map(({ name, type }) => `${name} ${type}`),
  );
  return list;
}
