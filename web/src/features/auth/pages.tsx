import { Link, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { Note } from "@/components/layout";
import { Button, TextField } from "@/components/ui";
import { Words } from "@/components/words";
import { LogInDocument, RegisterDocument } from "@/gql/graphql";
import { messageOf, Refusal, unwrap } from "@/lib/refusal";
import { anonymousClient, enter, session } from "@/lib/session";
import { useStore } from "@/lib/store";
import { AuthFrame } from "./frame";
import { m } from "./messages";

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
  const current = useStore(session);
  const expired = current.status === "anonymous" && current.expired;
  const form = useForm(async ({ email = "", password = "" }) => {
    enter(unwrap(await anonymousClient.mutation(LogInDocument, { input: { email, password } }).toPromise()));
  });
  return (
    <AuthFrame title={m.signIn}>
      {expired && !form.general && <Note tone="warn" title={m.yourSessionHasEnded} hint={m.signInAgain} />}
      {form.general && <Note tone="bad" title={<Words text={form.general.message} />} />}
      <form className="grid gap-4" onSubmit={form.submit}>
        <TextField
          label={m.eMail}
          name="email"
          type="email"
          autoComplete="username"
          required
          error={form.errorOf("email")}
        />
        <TextField
          label={m.password}
          name="password"
          type="password"
          autoComplete="current-password"
          required
          error={form.errorOf("password")}
        />
        <Button type="submit" variant="primary" busy={form.busy}>
          {m.signIn}
        </Button>
      </form>
      <p className="text-muted">
        {m.newHere({
          link: (
            <Link to="/sign-up" search={{ next }} className="font-medium text-accent underline">
              {m.makeAnAccount}
            </Link>
          ),
        })}
      </p>
    </AuthFrame>
  );
}

export function SignUpPage() {
  const { next } = useSearch({ from: "/sign-up" });
  const form = useForm(async ({ email = "", password = "", name = "" }) => {
    enter(unwrap(await anonymousClient.mutation(RegisterDocument, { input: { email, password, name } }).toPromise()));
  });
  return (
    <AuthFrame title={m.makeAnAccount}>
      {form.general && <Note tone="bad" title={<Words text={form.general.message} />} />}
      <form className="grid gap-4" onSubmit={form.submit}>
        <TextField label={m.name} name="name" autoComplete="name" required error={form.errorOf("name")} />
        <TextField
          label={m.eMail}
          name="email"
          type="email"
          autoComplete="username"
          required
          error={form.errorOf("email")}
        />
        <TextField
          label={m.password}
          name="password"
          type="password"
          autoComplete="new-password"
          minLength={12}
          maxLength={256}
          required
          hint={m.whatAPasswordIs}
          error={form.errorOf("password")}
        />
        <Button type="submit" variant="primary" busy={form.busy}>
          {m.makeAccount}
        </Button>
      </form>
      <p className="text-muted">
        {m.haveAnAccount({
          link: (
            <Link to="/sign-in" search={{ next }} className="font-medium text-accent underline">
              {m.signIn}
            </Link>
          ),
        })}
      </p>
    </AuthFrame>
  );
}
