import { Link } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { useClient } from "urql";
import { Choice } from "@/components/choice";
import { Ago, Code } from "@/components/data";
import { Panel } from "@/components/layout";
import { Listing } from "@/components/more";
import { Button } from "@/components/ui";
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
import { DeliveryBadge, eventText } from "./state";

const FILTERS = [
  { value: "ALL", text: "All" },
  { value: "PENDING", text: "Waiting" },
  { value: "DELIVERED", text: "Delivered" },
  { value: "FAILED", text: "Given up" },
] as const;
/** While a message is on its way one waits for what the receiver answers: milliseconds. */
const SOON = 1000;
const NONE = { nodes: [], pageInfo: { hasNextPage: false, endCursor: null } };

/** The messages of a webhook, newest first, looked at again and again. */
export function Deliveries({ id, poll }: { id: string; poll: number }) {
  const [filter, setFilter] = useState<(typeof FILTERS)[number]["value"]>("ALL");
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
      title="Messages"
      actions={<Choice legend="Show messages" options={FILTERS} value={filter} choose={setFilter} />}
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
        what="Loading messages"
        empty={<p className="text-muted">{status ? "No such messages." : "None yet: one is made when a job ends."}</p>}
      >
        <ul className="divide-y divide-line" aria-label="Messages">
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
        Send a test message
      </Button>
      <p
        role={action.refusal ? "alert" : undefined}
        className={`text-sm ${action.refusal ? "text-bad" : "text-muted"}`}
      >
        {action.refusal?.message ?? "What the receiver answers stands below a moment later. It is tried once."}
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
        <Button small onClick={again} busy={action.busy} aria-label={`Send again ${delivery.messageId}`}>
          Send again
        </Button>
      </div>
      <p className="text-sm text-muted">{attempts(delivery)}</p>
      {delivery.error && <p className="text-sm break-words text-bad">{delivery.error}</p>}
      {action.refusal && (
        <p role="alert" className="text-sm text-bad">
          {action.refusal.message}
        </p>
      )}
      <details>
        <summary className="text-sm">What it says</summary>
        <div className="mt-2 grid grid-cols-1 gap-2">
          <p className="text-sm text-muted">Id {delivery.messageId}, the same at each attempt.</p>
          <Code>{JSON.stringify(delivery.payload, null, 2)}</Code>
          {delivery.jobId && (
            <p>
              <Link to="/jobs/$id" params={{ id: delivery.jobId }} className="text-accent underline">
                To the job
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
  const parts = [attempt === 0 ? "about to be sent" : `attempt ${attempt} of ${maxAttempts}`];
  if (responseStatus !== null) parts.push(`answered ${responseStatus}`);
  if (responseMs !== null) parts.push(`after ${responseMs} ms`);
  if (nextAttemptAt && error) parts.push(`next attempt ${dateTime(nextAttemptAt)}`);
  const text = parts.join(" · ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
