import { type ReactNode, useId } from "react";

interface Props {
  label: string;
  hint?: ReactNode;
  checked: boolean;
  change: (checked: boolean) => void;
}

/** Yes or no, with what it is good for. */
export function Checkbox({ label, hint, checked, change }: Props) {
  const id = useId();
  return (
    <div className="grid grid-cols-[auto_1fr] gap-x-2 gap-y-1">
      <input
        id={id}
        type="checkbox"
        className="mt-1 size-4 accent-accent"
        checked={checked}
        aria-describedby={hint ? `${id}-note` : undefined}
        onChange={(event) => change(event.target.checked)}
      />
      <label htmlFor={id} className="font-medium">
        {label}
      </label>
      {hint && (
        <p id={`${id}-note`} className="col-start-2 text-sm text-muted">
          {hint}
        </p>
      )}
    </div>
  );
}
