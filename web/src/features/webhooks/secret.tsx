import { useState } from "react";
import { useClient } from "urql";
import { Confirm } from "@/components/confirm";
import { Code, CopyButton } from "@/components/data";
import { Note, Panel } from "@/components/layout";
import { Select } from "@/components/ui";
import { RotateWebhookSecretDocument, type WebhookRowFragment } from "@/gql/graphql";
import { act } from "@/lib/client";
import { dateTime } from "@/lib/format";
import { m } from "./messages";

/** A secret this once: the service cannot show it again. */
export function NewSecret({ secret }: { secret: string }) {
  return (
    <Note title={m.copyTheSecretNow} hint={m.receiverVerifies}>
      <Code>{secret}</Code>
      <div>
        <CopyButton text={secret} label={m.copySecret} />
      </div>
    </Note>
  );
}

/** Hours that the secret before goes on signing. */
const OVERLAPS = [
  { hours: 24, text: () => m.forADayMore },
  { hours: 168, text: () => m.forAWeekMore },
  { hours: 1, text: () => m.forAnHourMore },
  { hours: 0, text: () => m.noMore },
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
    <Panel title={m.secret}>
      <div className="grid grid-cols-1 gap-4">
        <p className="text-muted">
          {previousSecretUntil ? m.twoSignaturesUntil({ time: dateTime(previousSecretUntil) }) : m.eachMessageIsSigned}
        </p>
        {secret && <NewSecret key={secret} secret={secret} />}
        <div className="grid items-end gap-3 sm:grid-cols-[minmax(0,20rem)_auto] sm:justify-start">
          <Select
            label={m.thePresentSecretSigns}
            value={String(hours)}
            onChange={(event) => setHours(Number(event.target.value))}
          >
            {OVERLAPS.map((each) => (
              <option key={each.hours} value={each.hours}>
                {each.text()}
              </option>
            ))}
          </Select>
          <Confirm label={m.makeANewSecret} question={m.reallyReplaceIt} act={rotate} />
        </div>
      </div>
    </Panel>
  );
}
