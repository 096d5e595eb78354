import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { cell } from "@/lib/format";
import { fill, widths } from "./grid-layout";
import { classes } from "./ui";

const ROW = 30;

interface Props {
  columns: readonly string[];
  rows: unknown;
  /** By column: numbers are aligned to the right. */
  types?: ReadonlyMap<string, string> | undefined;
  caption: string;
  /** More rows than are at hand: `rows` only gives the widths then. */
  long?: LongRows;
}

export interface LongRows {
  count: number;
  /** A row; undefined while it is not there. */
  row(index: number): readonly unknown[] | undefined;
  /** These rows are in sight. */
  seen(first: number, last: number): void;
}

/** Rows of a preview; of many rows and columns only those in sight are drawn. */
export function Grid({ columns, rows, types, caption, long }: Props) {
  const list = useMemo(() => (Array.isArray(rows) ? (rows as unknown[][]) : []), [rows]);
  const box = useRef<HTMLElement>(null);
  const [available, setAvailable] = useState(0);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setAvailable(element.clientWidth));
    observer.observe(element);
    setAvailable(element.clientWidth);
    return () => observer.disconnect();
  }, []);
  const sizes = useMemo(() => fill(widths(columns, list), available), [columns, list, available]);
  const numeric = columns.map((name) => /^(u?int|float|decimal)/.test(types?.get(name) ?? ""));
  const scroller = () => box.current;
  const many = long?.count ?? list.length;
  const down = useVirtualizer({ count: many, getScrollElement: scroller, estimateSize: () => ROW, overscan: 8 });
  const across = useVirtualizer({
    horizontal: true,
    count: columns.length,
    getScrollElement: scroller,
    estimateSize: (index) => sizes[index] ?? 0,
    overscan: 3,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: other sizes are other places
  useLayoutEffect(() => across.measure(), [sizes]);
  const seen = across.getVirtualItems();
  const lines = down.getVirtualItems();
  const [first, last] = [lines[0]?.index ?? 0, lines.at(-1)?.index ?? 0];
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is in sight decides what is asked for
  useEffect(() => long?.seen(first, last), [first, last, many]);
  const valueAt = (row: number, column: number) => {
    const values = long ? long.row(row) : list[row];
    return values ? text(values[column]) : <span className="text-muted">·</span>;
  };
  const width = across.getTotalSize();
  return (
    <section
      ref={box}
      className="relative max-h-[28rem] overflow-auto rounded-lg border border-line"
      aria-label={caption}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
      tabIndex={0}
    >
      <table
        translate="no"
        className="relative block text-sm"
        style={{ width, height: down.getTotalSize() + ROW }}
        aria-rowcount={many + 1}
        aria-colcount={columns.length}
      >
        <thead className="sticky top-0 z-10 block bg-raised" style={{ height: ROW }}>
          <tr className="relative block" style={{ height: ROW }}>
            {seen.map(({ index, start, size }) => (
              <th
                key={index}
                scope="col"
                aria-colindex={index + 1}
                title={columns[index]}
                className={classes(
                  "absolute truncate px-3 py-1 font-semibold",
                  numeric[index] ? "text-right" : "text-left",
                )}
                style={{ left: start, width: size }}
              >
                {columns[index]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody className="block">
          {lines.map((row) => (
            <tr
              key={row.index}
              aria-rowindex={row.index + 2}
              className="absolute block border-t border-line"
              style={{ top: row.start + ROW, height: ROW, width }}
            >
              {seen.map(({ index, start, size }) => (
                <td
                  key={index}
                  aria-colindex={index + 1}
                  className={classes(
                    "absolute truncate px-3 py-1 font-mono",
                    numeric[index] && "text-right tabular-nums",
                  )}
                  style={{ left: start, width: size }}
                >
                  {valueAt(row.index, index)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function text(value: unknown) {
  return value == null ? (
    <span translate="no" className="text-muted italic">
      null
    </span>
  ) : (
    cell(value)
  );
}
