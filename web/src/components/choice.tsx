import { classes } from "./ui";

interface Props<T extends string> {
  legend: string;
  options: readonly { value: T; text: string }[];
  value: T;
  choose: (value: T) => void;
}

/** One of a few, as buttons side by side. */
export function Choice<T extends string>({ legend, options, value, choose }: Props<T>) {
  return (
    <fieldset className="flex flex-wrap gap-1">
      <legend className="sr-only">{legend}</legend>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          aria-pressed={option.value === value}
          onClick={() => choose(option.value)}
          className={classes(
            "rounded-full border px-3 py-1 text-sm font-medium",
            option.value === value
              ? "border-accent bg-tint text-accent-strong"
              : "border-line bg-surface hover:bg-raised",
          )}
        >
          {option.text}
        </button>
      ))}
    </fieldset>
  );
}
