import { Link } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useClient } from "urql";
import { Choice } from "@/components/choice";
import { Ago, Code } from "@/components/data";
import { Panel } from "@/components/layout";
import { Listing } from "@/components/more";
import { Button } from "@/components/ui";
import { Words } from "@/components/words";
import {
  DeliveriesDocument,
  type DeliveryRowFragment,
  PingWebhookDocument,
  RedeliverWebhookDocument,
  type WebhookDeliveryStatus,
} from "@/gql/graphql";
import { act } from "@/lib/client";
import { dateTime } from "@/lib/format";
import { usePages } from "@/lib/paging";
import { useAction } from "@/lib/use-action";
import { m } from "./messages";
import { DeliveryBadge, eventText } from "./state";

type Filter = "ALL" | WebhookDeliveryStatus;
const filters = (): { value: Filter; text: string }[] => [
  { value: "ALL", text: m.all },
  { value: "PENDING", text: m.waiting },
  { value: "DELIVERED", text: m.delivered },
  { value: "FAILED", text: m.givenUp },
];
/** While a message is on its way one waits for what the receiver answers: milliseconds. */
const SOON = 1000;
const NONE = { nodes: [], pageInfo: { hasNextPage: false, endCursor: null } };

/** The messages of a webhook, newest first, looked at again and again. */
export function Deliveries({ id, poll }: { id: string; poll: number }) {
  const [filter, setFilter] = useState<Filter>("ALL");
  const status: WebhookDeliveryStatus[] | null = filter === "ALL" ? null : [filter];
  const list = usePages(DeliveriesDocument, { id, first: 20, status }, (data) => data.webhook?.deliveries ?? NONE);
  const latest = useRef(list.reload);
  latest.current = list.reload;
  const soon = list.items?.some(({ nextAttemptAt }) => nextAttemptAt && Date.parse(nextAttemptAt) < Date.now() + poll);
  const pause = soon ? SOON : poll;
  useEffect(() => {
    const timer = setInterval(() => latest.current(), pause);
    return () => clearInterval(timer);
  }, [pause]);
  // a message that moved on is in the list still: pages are merged by id
  const items = list.items?.filter((item) => status === null || status.includes(item.status)) ?? null;
  return (
    <Panel
      title={m.messages}
      actions={<Choice legend={m.showMessages} options={filters()} value={filter} choose={setFilter} />}
    >
      <Ping
        id={id}
        sent={() => {
          setFilter("ALL");
          list.reload();
        }}
      />
      <Listing
        list={{ ...list, items }}
        what={m.loadingMessages}
        empty={<p className="text-muted">{status ? m.noSuchMessages : m.noMessagesYet}</p>}
      >
        <ul className="divide-y divide-line" aria-label={m.messages}>
          {items?.map((delivery) => (
            <Delivery key={delivery.id} delivery={delivery} changed={list.reload} />
          ))}
        </ul>
      </Listing>
    </Panel>
  );
}

/** Sends a message that tells of nothing, to see whether the receiver takes it. */
function Ping({ id, sent }: { id: string; sent: () => void }) {
  const client = useClient();
  const action = useAction();
  const ping = () =>
    action.run(async () => {
      await act(client, PingWebhookDocument, { input: { id } });
      sent();
    });
  return (
    <div className="mb-3 flex flex-wrap items-center gap-3">
      <Button small onClick={ping} busy={action.busy}>
        {m.sendATestMessage}
      </Button>
      <p
        role={action.refusal ? "alert" : undefined}
        className={`text-sm ${action.refusal ? "text-bad" : "text-muted"}`}
      >
        {action.refusal?.message ?? m.answerStandsBelow}
      </p>
    </div>
  );
}

function Delivery({ delivery, changed }: { delivery: DeliveryRowFragment; changed: () => void }) {
  const client = useClient();
  const action = useAction();
  const again = () =>
    action.run(async () => {
      await act(client, RedeliverWebhookDocument, { input: { id: delivery.id } });
      changed();
    });
  return (
    <li className="grid gap-1 py-3" data-delivery={delivery.status}>
      <div className="flex flex-wrap items-center justify-between gap-2">
        <span className="flex flex-wrap items-center gap-3">
          <DeliveryBadge delivery={delivery} />
          <span className="font-medium">{eventText(delivery.event)}</span>
          <span className="text-muted">
            <Ago time={delivery.createdAt} />
          </span>
        </span>
        <Button
          small
          onClick={again}
          busy={action.busy}
          aria-label={m.sendAgainMessage({ messageId: delivery.messageId })}
        >
          {m.sendAgain}
        </Button>
      </div>
      <p className="text-sm text-muted">{attempts(delivery)}</p>
      {delivery.error && (
        <p className="text-sm break-words text-bad">
          <Words text={delivery.error} />
        </p>
      )}
      {action.refusal && (
        <p role="alert" className="text-sm text-bad">
          {action.refusal.message}
        </p>
      )}
      <details>
        <summary className="text-sm">{m.whatItSays}</summary>
        <div className="mt-2 grid grid-cols-1 gap-2">
          <p className="text-sm text-muted">{m.idOfMessage({ messageId: delivery.messageId })}</p>
          <Code>{JSON.stringify(delivery.payload, null, 2)}</Code>
          {delivery.jobId && (
            <p>
              <Link to="/jobs/$id" params={{ id: delivery.jobId }} className="text-accent underline">
                {m.toTheJob}
              </Link>
            </p>
          )}
        </div>
      </details>
    </li>
  );
}

/** How often it was tried, what the newest answer was, and when it is tried next. */
export function attempts(delivery: DeliveryRowFragment): string {
  const { attempt, maxAttempts, responseStatus, responseMs, nextAttemptAt, error } = delivery;
  const parts = [attempt === 0 ? m.aboutToBeSent : m.attemptOf({ attempt, most: maxAttempts })];
  if (responseStatus !== null) parts.push(m.answered({ status: String(responseStatus) }));
  if (responseMs !== null) parts.push(m.afterMs({ milliseconds: responseMs }));
  if (nextAttemptAt && error) parts.push(m.nextAttempt({ time: dateTime(nextAttemptAt) }));
  const text = parts.join(" · ");
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}
