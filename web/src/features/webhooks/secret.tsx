import { useState } from "react";
import { useClient } from "urql";
import { Confirm } from "@/components/confirm";
import { Code, CopyButton } from "@/components/data";
import { Note, Panel } from "@/components/layout";
import { Select } from "@/components/ui";
import { RotateWebhookSecretDocument, type WebhookRowFragment } from "@/gql/graphql";
import { act } from "@/lib/client";
import { dateTime } from "@/lib/format";

/** A secret this once: the service cannot show it again. */
export function NewSecret({ secret }: { secret: string }) {
  return (
    <Note
      title="Copy the secret now: it is not shown again."
      hint="The receiver verifies the signature of each message with it."
    >
      <Code>{secret}</Code>
      <div>
        <CopyButton text={secret} label="Copy secret" />
      </div>
    </Note>
  );
}

/** Hours that the secret before goes on signing. */
const OVERLAPS = [
  { hours: 24, text: "for a day more" },
  { hours: 168, text: "for a week more" },
  { hours: 1, text: "for an hour more" },
  { hours: 0, text: "no more: it has leaked" },
] as const;

/** Replaces the secret; for a while the one before signs too, so that the receiver can change over without missing a message. */
export function Secret({ webhook, changed }: { webhook: WebhookRowFragment; changed: () => void }) {
  const client = useClient();
  const [hours, setHours] = useState<number>(OVERLAPS[0].hours);
  const [secret, setSecret] = useState<string | null>(null);
  const { id, previousSecretUntil } = webhook;
  const rotate = async () => {
    const answer = await act(client, RotateWebhookSecretDocument, { input: { id, overlapHours: hours } });
    setSecret(answer.secret);
    changed();
  };
  return (
    <Panel title="Secret">
      <div className="grid grid-cols-1 gap-4">
        <p className="text-muted">
          {previousSecretUntil
            ? `Until ${dateTime(previousSecretUntil)} each message carries two signatures, by the new secret and by the one before: the receiver may know either.`
            : "Each message is signed with it. It was shown when it was made; if it is lost or has leaked, make a new one."}
        </p>
        {secret && <NewSecret key={secret} secret={secret} />}
        <div className="grid items-end gap-3 sm:grid-cols-[minmax(0,20rem)_auto] sm:justify-start">
          <Select
            label="The present secret signs"
            value={String(hours)}
            onChange={(event) => setHours(Number(event.target.value))}
          >
            {OVERLAPS.map((each) => (
              <option key={each.hours} value={each.hours}>
                {each.text}
              </option>
            ))}
          </Select>
          <Confirm label="Make a new secret" question="Really replace it?" act={rotate} />
        </div>
      </div>
    </Panel>
  );
}
