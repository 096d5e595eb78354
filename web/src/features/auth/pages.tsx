import { Link, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { Note } from "@/components/layout";
import { Button, TextField } from "@/components/ui";
import { LogInDocument, RegisterDocument } from "@/gql/graphql";
import { messageOf, Refusal, unwrap } from "@/lib/refusal";
import { anonymousClient, enter, session } from "@/lib/session";
import { useStore } from "@/lib/store";
import { AuthFrame } from "./frame";
import { ContinueWith, SignInProblem, useSignInMethods } from "./single-sign-on";

/** Runs a form's work; keeps what went wrong, by field where the API names one. */
function useForm(work: (values: Record<string, string>) => Promise<void>) {
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(event.currentTarget)) as Record<string, string>;
    setBusy(true);
    setRefusal(null);
    try {
      await work(values);
    } catch (error) {
      setRefusal(error instanceof Refusal ? error : new Refusal("INTERNAL", messageOf(error)));
    } finally {
      setBusy(false);
    }
  };
  const errorOf = (field: string) => (refusal?.path.at(-1) === field ? refusal.message : null);
  const general = refusal && !["email", "password", "name"].includes(refusal.path.at(-1) ?? "") ? refusal : null;
  return { busy, submit, errorOf, general };
}

export function SignInPage() {
  const { next } = useSearch({ from: "/sign-in" });
  const methods = useSignInMethods();
  const current = useStore(session);
  const expired = current.status === "anonymous" && current.expired;
  const form = useForm(async ({ email = "", password = "" }) => {
    enter(unwrap(await anonymousClient.mutation(LogInDocument, { input: { email, password } }).toPromise()));
  });
  return (
    <AuthFrame title="Sign in">
      {expired && !form.general && <Note tone="warn" title="Your session has ended." hint="Sign in again to go on." />}
      {form.general ? <Note tone="bad" title={form.general.message} /> : <SignInProblem />}
      {methods?.password && (
        <form className="grid gap-4" onSubmit={form.submit}>
          <TextField
            label="E-mail"
            name="email"
            type="email"
            autoComplete="username"
            required
            error={form.errorOf("email")}
          />
          <TextField
            label="Password"
            name="password"
            type="password"
            autoComplete="current-password"
            required
            error={form.errorOf("password")}
          />
          <Button type="submit" variant="primary" busy={form.busy}>
            Sign in
          </Button>
        </form>
      )}
      {methods && <ContinueWith methods={methods} next={next} />}
      {methods?.password && (
        <p className="text-muted">
          New here?{" "}
          <Link to="/sign-up" search={{ next }} className="font-medium text-accent underline">
            Make an account
          </Link>
        </p>
      )}
    </AuthFrame>
  );
}

export function SignUpPage() {
  const { next } = useSearch({ from: "/sign-up" });
  const form = useForm(async ({ email = "", password = "", name = "" }) => {
    enter(unwrap(await anonymousClient.mutation(RegisterDocument, { input: { email, password, name } }).toPromise()));
  });
  return (
    <AuthFrame title="Make an account">
      {form.general && <Note tone="bad" title={form.general.message} />}
      <form className="grid gap-4" onSubmit={form.submit}>
        <TextField label="Name" name="name" autoComplete="name" required error={form.errorOf("name")} />
        <TextField
          label="E-mail"
          name="email"
          type="email"
          autoComplete="username"
          required
          error={form.errorOf("email")}
        />
        <TextField
          label="Password"
          name="password"
          type="password"
          autoComplete="new-password"
          minLength={12}
          maxLength={256}
          required
          hint="12 characters or more; a sentence is easiest to remember."
          error={form.errorOf("password")}
        />
        <Button type="submit" variant="primary" busy={form.busy}>
          Make account
        </Button>
      </form>
      <p className="text-muted">
        Have an account?{" "}
        <Link to="/sign-in" search={{ next }} className="font-medium text-accent underline">
          Sign in
        </Link>
      </p>
    </AuthFrame>
  );
}
