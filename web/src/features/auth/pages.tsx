import { Link, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { Note } from "@/components/layout";
import { Button, TextField } from "@/components/ui";
import { LogInDocument, RegisterDocument } from "@/gql/graphql";
import { unwrap } from "@/lib/refusal";
import { anonymousClient, enter, session } from "@/lib/session";
import { useStore } from "@/lib/store";
import { CodeForm } from "./code-form";
import { useForm } from "./form";
import { AuthFrame } from "./frame";
import { ContinueWith, SignInProblem, useSignInMethods } from "./single-sign-on";

const FIELDS = ["email", "password", "name"];

export function SignInPage() {
  const { next } = useSearch({ from: "/sign-in" });
  const methods = useSignInMethods();
  const current = useStore(session);
  const expired = current.status === "anonymous" && current.expired;
  const [challenge, setChallenge] = useState<string | null>(null);
  const form = useForm(FIELDS, async ({ email = "", password = "" }) => {
    const result = await anonymousClient.mutation(LogInDocument, { input: { email, password } }).toPromise();
    const answer = result.data?.logIn;
    if (answer?.__typename === "SecondFactorNeeded") setChallenge(answer.challenge);
    else enter(unwrap(result));
  });
  if (challenge)
    return (
      <AuthFrame title="Sign in">
        <CodeForm challenge={challenge} again={() => setChallenge(null)} />
      </AuthFrame>
    );
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
          <Link to="/forgot-password" className="font-medium text-accent underline">
            Forgot your password?
          </Link>
        </p>
      )}
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
  const form = useForm(FIELDS, async ({ email = "", password = "", name = "" }) => {
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
