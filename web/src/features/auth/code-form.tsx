import { Note } from "@/components/layout";
import { Button, TextField } from "@/components/ui";
import { Words } from "@/components/words";
import { ConfirmLogInDocument } from "@/gql/graphql";
import { unwrap } from "@/lib/refusal";
import { anonymousClient, enter } from "@/lib/session";
import { useForm } from "./form";
import { m } from "./messages";

/** The second half of signing in: the code of an authenticator app. */
export function CodeForm({ challenge, again }: { challenge: string; again: () => void }) {
  const form = useForm(["code"], async ({ code = "" }) => {
    enter(unwrap(await anonymousClient.mutation(ConfirmLogInDocument, { input: { challenge, code } }).toPromise()));
  });
  return (
    <>
      {form.general && <Note tone="bad" title={<Words text={form.general.message} />} />}
      <form className="grid gap-4" onSubmit={form.submit}>
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
        <Button type="submit" variant="primary" busy={form.busy}>
          {m.goOn}
        </Button>
        <Button variant="ghost" onClick={again}>
          {m.beginAnew}
        </Button>
      </form>
    </>
  );
}
