import { useRef, useState } from "react";
import { useClient } from "urql";
import { Note, Panel } from "@/components/layout";
import { Button } from "@/components/ui";
import { ChangePasswordDocument } from "@/gql/graphql";
import { act } from "@/lib/client";
import { CurrentPassword, NewPassword } from "./auth-form";
import { useForm } from "./form";
import { m } from "./messages";

/** Changes the password by the current one. */
export function PasswordPanel() {
  const client = useClient();
  const fields = useRef<HTMLFormElement>(null);
  const [done, setDone] = useState(false);
  const form = useForm(["password", "newPassword"], async ({ password = "", newPassword = "" }) => {
    setDone(false);
    await act(client, ChangePasswordDocument, { input: { password, newPassword } });
    fields.current?.reset();
    setDone(true);
  });
  return (
    <Panel title={m.password}>
      <form ref={fields} onSubmit={form.submit} className="grid items-start gap-3 sm:grid-cols-2">
        <CurrentPassword form={form} label={m.currentPassword} error={form.general?.message} />
        <NewPassword form={form} label={m.newPassword} name="newPassword" hint={m.whatANewPasswordIs} />
        <div>
          <Button type="submit" busy={form.busy}>
            {m.changePassword}
          </Button>
        </div>
        {done && (
          <div role="status" className="sm:col-span-2">
            <Note title={m.theNewPasswordHolds} />
          </div>
        )}
      </form>
    </Panel>
  );
}
