import { Badge, type Tone } from "@/components/data";
import type { DeliveryRowFragment, WebhookDeliveryStatus, WebhookEvent, WebhookRowFragment } from "@/gql/graphql";
import { m } from "./messages";

/** Whether it is told anything, and if not, whose doing that is. */
export function WebhookState({ webhook }: { webhook: WebhookRowFragment }) {
  if (webhook.disabledReason) return <Badge tone="bad">{m.stopped}</Badge>;
  if (!webhook.enabled) return <Badge tone="neutral">{m.paused}</Badge>;
  return webhook.failingSince ? <Badge tone="warn">{m.failing}</Badge> : <Badge tone="good">{m.on}</Badge>;
}

export const EVENTS: readonly { event: WebhookEvent; text: () => string }[] = [
  { event: "JOB_SUCCEEDED", text: () => m.succeeded },
  { event: "JOB_FAILED", text: () => m.failed },
  { event: "JOB_CANCELLED", text: () => m.cancelled },
];

export function eventText(event: WebhookEvent): string {
  if (event === "WEBHOOK_PING") return m.testMessage;
  return m.jobOutcome({ outcome: EVENTS.find((each) => each.event === event)?.text() ?? event });
}

const DELIVERIES: Record<WebhookDeliveryStatus, { tone: Tone; text: () => string }> = {
  PENDING: { tone: "accent", text: () => m.waiting },
  DELIVERED: { tone: "good", text: () => m.delivered },
  FAILED: { tone: "bad", text: () => m.givenUp },
};

/** Where a message stands; one that was refused and is sent again says so. */
export function DeliveryBadge({ delivery: { status, error } }: { delivery: DeliveryRowFragment }) {
  const { tone, text } = DELIVERIES[status];
  const again = status === "PENDING" && error !== null;
  return <Badge tone={again ? "warn" : tone}>{again ? m.tryingAgain : text()}</Badge>;
}
