import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { classes, TextArea } from "@/components/ui";
import { complete, type Suggestion, suggest } from "./completion";
import { m } from "./messages";
import type { ColumnInfo } from "./spec";

interface Props {
  label: string;
  hint?: ReactNode;
  value: string;
  columns: readonly ColumnInfo[] | null;
  /** Whether `sum(…)` and its like may stand here. */
  aggregates?: boolean;
  rows?: number;
  placeholder?: string;
  change: (value: string) => void;
}

/**
 * An SQL expression, with columns and functions to choose from while one types: the down arrow goes into the list, Enter
 * or Tab takes what is marked, Escape closes it. Untouched, it is a text field like any other.
 */
export function ExpressionField({ value, columns, aggregates = false, change, rows = 1, ...rest }: Props) {
  const list = useId();
  const [caret, setCaret] = useState(-1);
  const [marked, setMarked] = useState(-1);
  const field = useRef<HTMLTextAreaElement>(null);
  const target = useRef<number | null>(null);
  const found = caret < 0 ? [] : suggest(value, caret, columns, aggregates);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the caret is set once the new text is drawn
  useEffect(() => {
    if (target.current === null) return;
    field.current?.setSelectionRange(target.current, target.current);
    target.current = null;
  }, [value]);
  const close = () => {
    setCaret(-1);
    setMarked(-1);
  };
  const take = (suggestion: Suggestion) => {
    const done = complete(value, caret, suggestion);
    target.current = done.caret;
    change(done.text);
    close();
  };
  const keys = (event: KeyboardEvent) => {
    const chosen = found[marked];
    if (found.length === 0) return;
    if (event.key === "ArrowDown") setMarked((marked + 1) % found.length);
    else if (event.key === "ArrowUp" && marked >= 0) setMarked(marked - 1);
    else if (event.key === "Escape") close();
    else if (chosen && !event.shiftKey && (event.key === "Enter" || event.key === "Tab")) take(chosen);
    else return;
    event.preventDefault();
  };
  return (
    <div className="relative">
      <TextArea
        {...rest}
        ref={field}
        rows={rows}
        className="font-mono"
        spellCheck={false}
        autoComplete="off"
        aria-autocomplete="list"
        aria-controls={found.length > 0 ? list : undefined}
        aria-activedescendant={marked >= 0 ? `${list}-${marked}` : undefined}
        value={value}
        onChange={(event) => {
          change(event.target.value);
          setCaret(event.target.selectionEnd);
          setMarked(-1);
        }}
        onKeyDown={keys}
        onBlur={close}
      />
      <span role="status" className="sr-only">
        {found.length > 0 && m.suggestions({ count: found.length })}
      </span>
      {found.length > 0 && (
        <div
          id={list}
          role="listbox"
          aria-label={m.suggestionsFor({ label: rest.label })}
          className="absolute z-10 mt-1 max-h-64 w-full max-w-lg overflow-auto rounded-lg border border-field bg-surface py-1 shadow-lg"
        >
          {found.map((suggestion, index) => (
            // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the field, which names the marked option
            // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the field
            <div
              key={suggestion.text}
              id={`${list}-${index}`}
              role="option"
              aria-selected={index === marked}
              // a press would take the focus from the field before the click comes
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => take(suggestion)}
              className={classes(
                "flex cursor-pointer justify-between gap-4 px-3 py-1 font-mono text-sm hover:bg-raised",
                index === marked && "bg-tint text-accent-strong",
              )}
            >
              <span translate="no">{suggestion.text}</span>
              <span className={classes("truncate font-sans", index !== marked && "text-muted")}>{suggestion.note}</span>
            </div>
          ))}
        </div>
      )}
    </div>
  );
}
