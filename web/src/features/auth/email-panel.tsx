import { type ReactNode, useState } from "react";
import { useClient, useQuery } from "urql";
import { Data } from "@/components/data";
import { Note, Panel } from "@/components/layout";
import { Button } from "@/components/ui";
import { Words } from "@/components/words";
import { EmailStateDocument, RequestEmailVerificationDocument } from "@/gql/graphql";
import { act } from "@/lib/client";
import { messageOf } from "@/lib/refusal";
import { m } from "./messages";

/** Says that the address is not verified, and sends the link again. Nothing once it is. */
export function EmailPanel() {
  const client = useClient();
  const [{ data }] = useQuery({ query: EmailStateDocument, variables: {} });
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<{ tone?: "bad"; title: ReactNode } | null>(null);
  if (!data?.me || data.me.emailVerified) return null;
  const send = async () => {
    setBusy(true);
    try {
      const { email } = await act(client, RequestEmailVerificationDocument, {});
      setSaid({ title: m.linkIsSent({ email: <Data>{email}</Data> }) });
    } catch (thrown) {
      setSaid({ tone: "bad", title: <Words text={messageOf(thrown)} /> });
    } finally {
      setBusy(false);
    }
  };
  return (
    <Panel title={m.eMail}>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="text-muted">{m.notVerifiedYet({ email: <Data>{data.me.email}</Data> })}</p>
        <Button onClick={send} busy={busy}>
          {m.sendTheLinkAgain}
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
