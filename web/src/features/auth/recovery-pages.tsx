import { Link } from "@tanstack/react-router";
import { type ReactNode, useEffect, useState } from "react";
import { Data } from "@/components/data";
import { Note } from "@/components/layout";
import { Button } from "@/components/ui";
import { Words } from "@/components/words";
import { RequestPasswordResetDocument, ResetPasswordDocument, VerifyEmailDocument } from "@/gql/graphql";
import { messageOf, unwrap } from "@/lib/refusal";
import { anonymousClient, freshToken, leave, session } from "@/lib/session";
import { AuthForm, EmailField, GeneralProblem, NewPassword } from "./auth-form";
import { useForm } from "./form";
import { AuthFrame } from "./frame";
import { m } from "./messages";

/** The token of a mailed link: behind the #, so that no server's log has it. It is taken out of the address at once. */
function useToken(): string {
  const [token] = useState(() => location.hash.slice(1));
  useEffect(() => history.replaceState(history.state, "", location.pathname), []);
  return token;
}

function ToSignIn({ children = m.signIn }: { children?: ReactNode }) {
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
    <AuthFrame title={m.forgotYourPassword}>
      <GeneralProblem form={form} />
      {sent ? (
        <div role="status">
          <Note title={m.linkToResetIsSent({ email: <Data>{sent}</Data> })} hint={m.howALinkWorks} />
        </div>
      ) : (
        <AuthForm form={form} action={m.sendLink}>
          <EmailField form={form} hint={m.aLinkIsMailed} />
        </AuthForm>
      )}
      <ToSignIn>{m.backToSignIn}</ToSignIn>
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
    <AuthFrame title={m.chooseANewPassword}>
      <GeneralProblem form={form} />
      {done ? (
        <div role="status">
          <Note title={m.theNewPasswordHolds} hint={m.signedOutEverywhere} />
        </div>
      ) : (
        <AuthForm form={form} action={m.setPassword}>
          <NewPassword form={form} label={m.newPassword} />
        </AuthForm>
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
    <AuthFrame title={m.verifyYourEMail}>
      {verified.state === "asking" && (
        <Button variant="primary" onClick={verify}>
          {m.itIsMine}
        </Button>
      )}
      {verified.state === "refused" && (
        <Note tone="bad" title={<Words text={verified.message} />} hint={m.whereToSendItAgain} />
      )}
      {verified.state === "done" && (
        <div role="status">
          <Note title={m.isVerified({ email: <Data>{verified.email}</Data> })} />
        </div>
      )}
      <p className="text-muted">
        <Link to="/" className="font-medium text-accent underline">
          {m.openKaryaksham}
        </Link>
      </p>
    </AuthFrame>
  );
}
