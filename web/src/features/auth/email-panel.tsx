import { useState } from "react";
import { useClient, useQuery } from "urql";
import { Note, Panel } from "@/components/layout";
import { Button } from "@/components/ui";
import { EmailStateDocument, RequestEmailVerificationDocument } from "@/gql/graphql";
import { act } from "@/lib/client";
import { messageOf } from "@/lib/refusal";

/** Says that the address is not verified, and sends the link again. Nothing once it is. */
export function EmailPanel() {
  const client = useClient();
  const [{ data }] = useQuery({ query: EmailStateDocument, variables: {} });
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<{ tone?: "bad"; title: string } | null>(null);
  if (!data?.me || data.me.emailVerified) return null;
  const send = async () => {
    setBusy(true);
    try {
      const { email } = await act(client, RequestEmailVerificationDocument, {});
      setSaid({ title: `A link is on its way to ${email}.` });
    } catch (thrown) {
      setSaid({ tone: "bad", title: messageOf(thrown) });
    } finally {
      setBusy(false);
    }
  };
  return (
    <Panel title="E-mail">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="text-muted">{data.me.email} is not verified yet: open the link that was mailed to it.</p>
        <Button onClick={send} busy={busy}>
          Send the link again
        </Button>
        {said && (
          <div role="status" className="w-full">
            <Note {...said} />
          </div>
        )}
      </div>
    </Panel>
  );
}
