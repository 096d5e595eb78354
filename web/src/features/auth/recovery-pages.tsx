import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect, useState } from "react";
import { Note } from "@/components/layout";
import { Button, TextField } from "@/components/ui";
import { RequestPasswordResetDocument, ResetPasswordDocument, VerifyEmailDocument } from "@/gql/graphql";
import { messageOf, unwrap } from "@/lib/refusal";
import { anonymousClient, freshToken, leave, session } from "@/lib/session";
import { useForm } from "./form";
import { AuthFrame } from "./frame";

/** The token of a mailed link: behind the #, so that no server's log has it. It is taken out of the address at once. */
function useToken(): string {
  const [token] = useState(() => location.hash.slice(1));
  useEffect(() => history.replaceState(history.state, "", location.pathname), []);
  return token;
}

function ToSignIn({ children = "Sign in" }: { children?: ReactNode }) {
  return (
    <p className="text-muted">
      <Link to="/sign-in" className="font-medium text-accent underline">
        {children}
      </Link>
    </p>
  );
}

export function ForgotPasswordPage() {
  const [sent, setSent] = useState<string | null>(null);
  const form = useForm(["email"], async ({ email = "" }) => {
    unwrap(await anonymousClient.mutation(RequestPasswordResetDocument, { input: { email } }).toPromise());
    setSent(email);
  });
  return (
    <AuthFrame title="Forgot your password?">
      {form.general && <Note tone="bad" title={form.general.message} />}
      {sent ? (
        <div role="status">
          <Note
            title={`If ${sent} has an account, a link is on its way.`}
            hint="It works once, within an hour. Look into the folder for unwanted mail, too."
          />
        </div>
      ) : (
        <form className="grid gap-4" onSubmit={form.submit}>
          <TextField
            label="E-mail"
            name="email"
            type="email"
            autoComplete="username"
            required
            hint="A link to choose a new password is mailed to it."
            error={form.errorOf("email")}
          />
          <Button type="submit" variant="primary" busy={form.busy}>
            Send link
          </Button>
        </form>
      )}
      <ToSignIn>Back to sign-in</ToSignIn>
    </AuthFrame>
  );
}

export function NewPasswordPage() {
  const token = useToken();
  const [done, setDone] = useState(false);
  const form = useForm(["password"], async ({ password = "" }) => {
    unwrap(await anonymousClient.mutation(ResetPasswordDocument, { input: { token, password } }).toPromise());
    // all sessions have ended, this browser's too
    leave(false);
    setDone(true);
  });
  return (
    <AuthFrame title="Choose a new password">
      {form.general && <Note tone="bad" title={form.general.message} />}
      {done ? (
        <div role="status">
          <Note title="The new password holds." hint="You were signed out everywhere." />
        </div>
      ) : (
        <form className="grid gap-4" onSubmit={form.submit}>
          <TextField
            label="New password"
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
            Set password
          </Button>
        </form>
      )}
      <ToSignIn />
    </AuthFrame>
  );
}

type Verified = { state: "asking" } | { state: "done"; email: string } | { state: "refused"; message: string };

export function VerifyEmailPage() {
  const token = useToken();
  const [verified, setVerified] = useState<Verified>({ state: "asking" });
  const verify = async () => {
    try {
      const answer = unwrap(await anonymousClient.mutation(VerifyEmailDocument, { input: { token } }).toPromise());
      // the token of this browser's session says so from now on
      if (session.get().status === "signedIn") await freshToken(true);
      setVerified({ state: "done", email: answer.email });
    } catch (error) {
      setVerified({ state: "refused", message: messageOf(error) });
    }
  };
  return (
    <AuthFrame title="Verify your e-mail address">
      {verified.state === "asking" && (
        <Button variant="primary" onClick={verify}>
          It is mine
        </Button>
      )}
      {verified.state === "refused" && (
        <Note tone="bad" title={verified.message} hint="Signed in, you find a button for it on the page Account." />
      )}
      {verified.state === "done" && (
        <div role="status">
          <Note title={`${verified.email} is verified.`} />
        </div>
      )}
      <p className="text-muted">
        <Link to="/" className="font-medium text-accent underline">
          Open Karyaksham
        </Link>
      </p>
    </AuthFrame>
  );
}
