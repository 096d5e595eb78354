import { Button, TextField } from "@/components/ui";
import { ConfirmLogInDocument } from "@/gql/graphql";
import { unwrap } from "@/lib/refusal";
import { anonymousClient, enter } from "@/lib/session";
import { AuthForm, GeneralProblem } from "./auth-form";
import { useForm } from "./form";
import { m } from "./messages";

/** The second half of signing in: the code of an authenticator app. */
export function CodeForm({ challenge, again }: { challenge: string; again: () => void }) {
  const form = useForm(["code"], async ({ code = "" }) => {
    enter(unwrap(await anonymousClient.mutation(ConfirmLogInDocument, { input: { challenge, code } }).toPromise()));
  });
  return (
    <>
      <GeneralProblem form={form} />
      <AuthForm
        form={form}
        action={m.goOn}
        more={
          <Button variant="ghost" onClick={again}>
            {m.beginAnew}
          </Button>
        }
      >
        <TextField
          label={m.code}
          name="code"
          autoComplete="one-time-code"
          autoFocus
          required
          maxLength={40}
          hint={m.whatACodeIs}
          error={form.errorOf("code")}
        />
      </AuthForm>
    </>
  );
}
