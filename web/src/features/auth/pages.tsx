import { Link, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { Note } from "@/components/layout";
import { TextField } from "@/components/ui";
import { LogInDocument, RegisterDocument } from "@/gql/graphql";
import { unwrap } from "@/lib/refusal";
import { anonymousClient, enter, hold, session } from "@/lib/session";
import { useStore } from "@/lib/store";
import { AuthForm, CurrentPassword, EmailField, GeneralProblem, NewPassword } from "./auth-form";
import { CodeForm } from "./code-form";
import { useForm } from "./form";
import { AuthFrame } from "./frame";
import { m } from "./messages";
import { SetUpPage } from "./set-up-page";
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
    else if (answer?.__typename === "SecondFactorSetUpNeeded") hold(answer);
    else enter(unwrap(result));
  });
  if (current.status === "settingUp") return <SetUpPage />;
  if (challenge)
    return (
      <AuthFrame title={m.signIn}>
        <CodeForm challenge={challenge} again={() => setChallenge(null)} />
      </AuthFrame>
    );
  return (
    <AuthFrame title={m.signIn}>
      {expired && !form.general && <Note tone="warn" title={m.yourSessionHasEnded} hint={m.signInAgain} />}
      {form.general ? <GeneralProblem form={form} /> : <SignInProblem />}
      {methods?.password && (
        <AuthForm form={form} action={m.signIn}>
          <EmailField form={form} />
          <CurrentPassword form={form} />
        </AuthForm>
      )}
      {methods && <ContinueWith methods={methods} next={next} />}
      {methods?.password && (
        <p className="text-muted">
          <Link to="/forgot-password" className="font-medium text-accent underline">
            {m.forgotYourPassword}
          </Link>
        </p>
      )}
      {methods?.password && (
        <p className="text-muted">
          {m.newHere({
            link: (
              <Link to="/sign-up" search={{ next }} className="font-medium text-accent underline">
                {m.makeAnAccount}
              </Link>
            ),
          })}
        </p>
      )}
    </AuthFrame>
  );
}

export function SignUpPage() {
  const { next } = useSearch({ from: "/sign-up" });
  const form = useForm(FIELDS, async ({ email = "", password = "", name = "" }) => {
    const result = await anonymousClient.mutation(RegisterDocument, { input: { email, password, name } }).toPromise();
    const answer = result.data?.register;
    if (answer?.__typename === "SecondFactorSetUpNeeded") hold(answer);
    else enter(unwrap(result));
  });
  if (useStore(session).status === "settingUp") return <SetUpPage />;
  return (
    <AuthFrame title={m.makeAnAccount}>
      <GeneralProblem form={form} />
      <AuthForm form={form} action={m.makeAccount}>
        <TextField label={m.name} name="name" autoComplete="name" required error={form.errorOf("name")} />
        <EmailField form={form} />
        <NewPassword form={form} />
      </AuthForm>
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
