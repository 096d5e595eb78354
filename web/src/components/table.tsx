import type { ReactNode } from "react";
import { classes } from "./ui";

interface Props {
  /** What the table holds, for those who hear it. */
  caption: string;
  head: readonly string[];
  /** Names of columns of figures. */
  right?: readonly string[];
  children: ReactNode;
}

/** A table of things; it scrolls within itself where the window is narrow. */
export function Table({ caption, head, right = [], children }: Props) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section className="relative overflow-x-auto" aria-label={caption} tabIndex={0}>
      <table className="w-full text-left">
        <thead className="text-sm text-muted">
          <tr>
            {head.map((name) => (
              <th
                key={name}
                scope="col"
                className={classes("px-4 py-2 font-medium whitespace-nowrap", right.includes(name) && "text-right")}
              >
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}

export function Row({ children }: { children: ReactNode }) {
  return <tr className="border-t border-line align-top hover:bg-raised">{children}</tr>;
}

interface CellProps {
  children?: ReactNode;
  /** For figures. */
  right?: boolean;
  /** For text that may break. */
  plain?: boolean;
  /** For what people or machines wrote, which is in no language. */
  data?: boolean;
}

export function Cell({ children, right, plain, data }: CellProps) {
  return (
    <td
      translate={data ? "no" : undefined}
      className={classes(
        "px-4 py-2.5",
        right && "text-right tabular-nums",
        plain ? "min-w-32 break-words" : "whitespace-nowrap",
      )}
    >
      {children}
    </td>
  );
}
