import type { ReactNode } from "react";
import { Note } from "@/components/layout";
import { Button, TextField } from "@/components/ui";
import { Words } from "@/components/words";
import type { useForm } from "./form";
import { m } from "./messages";

export type Form = ReturnType<typeof useForm>;

/** What was refused, if it is about no field of the form. */
export function GeneralProblem({ form }: { form: Form }) {
  return form.general && <Note tone="bad" title={<Words text={form.general.message} />} />;
}

interface Props {
  form: Form;
  /** What the button says that sends it. */
  action: string;
  /** The fields. */
  children: ReactNode;
  /** Other buttons. */
  more?: ReactNode;
}

/** The form of a page of accounts: fields one below the other, a button. */
export function AuthForm({ form, action, children, more }: Props) {
  return (
    <form className="grid gap-4" onSubmit={form.submit}>
      {children}
      <Button type="submit" variant="primary" busy={form.busy}>
        {action}
      </Button>
      {more}
    </form>
  );
}

/** The address that names an account. */
export function EmailField({ form, hint }: { form: Form; hint?: string }) {
  return (
    <TextField
      label={m.eMail}
      name="email"
      type="email"
      autoComplete="username"
      required
      hint={hint}
      error={form.errorOf("email")}
    />
  );
}

interface PasswordProps {
  form: Form;
  label?: string;
  name?: string;
  hint?: string;
  /** For where the form shows nothing that is about no field. */
  error?: string | null | undefined;
}

/** The password that an account has. */
export function CurrentPassword({ form, label = m.password, name = "password", hint, error }: PasswordProps) {
  return (
    <TextField
      label={label}
      name={name}
      type="password"
      autoComplete="current-password"
      required
      hint={hint}
      error={form.errorOf(name) ?? error}
    />
  );
}

/** The password that an account gets; browsers offer one, the bounds are the API's. */
export function NewPassword({ form, label = m.password, name = "password", hint = m.whatAPasswordIs }: PasswordProps) {
  return (
    <TextField
      label={label}
      name={name}
      type="password"
      autoComplete="new-password"
      minLength={12}
      maxLength={256}
      required
      hint={hint}
      error={form.errorOf(name)}
    />
  );
}
