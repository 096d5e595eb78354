import type {
  ButtonHTMLAttributes,
  InputHTMLAttributes,
  ReactNode,
  Ref,
  SelectHTMLAttributes,
  TextareaHTMLAttributes,
} from "react";
import { useId } from "react";
import { Words } from "./words";

/** Class names without the empty ones. */
export function classes(...names: (string | false | null | undefined)[]): string {
  return names.filter(Boolean).join(" ");
}

const VARIANTS = {
  primary: "bg-accent text-on-accent hover:bg-accent-strong border-transparent",
  secondary: "bg-surface text-ink border-field hover:bg-raised",
  ghost: "bg-transparent text-ink border-transparent hover:bg-raised",
  danger: "bg-surface text-bad border-bad hover:bg-bad-tint",
};

/** How buttons and links that act look. */
export function buttonClass(variant: keyof typeof VARIANTS = "secondary", small = false): string {
  return classes(
    "inline-flex items-center justify-center gap-2 rounded-lg border font-medium whitespace-nowrap transition-colors",
    "disabled:opacity-50 disabled:cursor-not-allowed",
    small ? "min-h-7 px-2.5 text-sm" : "min-h-9 px-3.5",
    VARIANTS[variant],
  );
}

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  variant?: keyof typeof VARIANTS;
  small?: boolean;
  busy?: boolean;
}

export function Button({ variant, small, busy, className, children, disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      className={classes(buttonClass(variant, small), className)}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      {...rest}
    >
      {busy && <Spinner />}
      {children}
    </button>
  );
}

export function Spinner() {
  return (
    <span
      aria-hidden="true"
      className="inline-block size-4 animate-spin rounded-full border-2 border-current border-r-transparent"
    />
  );
}

const CONTROL =
  "w-full rounded-lg border border-field bg-surface px-3 py-1.5 text-ink placeholder:text-muted aria-invalid:border-bad";

interface FieldFrame {
  label: string;
  hint?: ReactNode;
  error?: string | null | undefined;
}

function Frame({ label, hint, error, id, children }: FieldFrame & { id: string; children: ReactNode }) {
  return (
    // beside a field with a hint, one without keeps its height
    <div className="grid content-start gap-1">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      {children}
      {error ? (
        <p id={`${id}-note`} className="text-sm text-bad" role="alert">
          <Words text={error} />
        </p>
      ) : (
        hint && (
          <p id={`${id}-note`} className="text-sm text-muted">
            {hint}
          </p>
        )
      )}
    </div>
  );
}

function described({ hint, error }: FieldFrame, id: string) {
  return {
    id,
    "aria-invalid": error ? true : undefined,
    "aria-describedby": error || hint ? `${id}-note` : undefined,
  } as const;
}

export function TextField({
  label,
  hint,
  error,
  className,
  ...rest
}: FieldFrame & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  return (
    <Frame label={label} hint={hint} error={error} id={id}>
      <input className={classes(CONTROL, className)} {...described({ label, hint, error }, id)} {...rest} />
    </Frame>
  );
}

export function TextArea({
  label,
  hint,
  error,
  className,
  ...rest
}: FieldFrame & TextareaHTMLAttributes<HTMLTextAreaElement> & { ref?: Ref<HTMLTextAreaElement> }) {
  const id = useId();
  return (
    <Frame label={label} hint={hint} error={error} id={id}>
      <textarea className={classes(CONTROL, className)} {...described({ label, hint, error }, id)} {...rest} />
    </Frame>
  );
}

export function Select({
  label,
  hint,
  error,
  className,
  ...rest
}: FieldFrame & SelectHTMLAttributes<HTMLSelectElement>) {
  const id = useId();
  return (
    <Frame label={label} hint={hint} error={error} id={id}>
      <select className={classes(CONTROL, "min-h-9", className)} {...described({ label, hint, error }, id)} {...rest} />
    </Frame>
  );
}
