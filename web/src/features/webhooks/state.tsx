import { Badge, type Tone } from "@/components/data";
import type { DeliveryRowFragment, WebhookDeliveryStatus, WebhookEvent, WebhookRowFragment } from "@/gql/graphql";

/** Whether it is told anything, and if not, whose doing that is. */
export function WebhookState({ webhook }: { webhook: WebhookRowFragment }) {
  if (webhook.disabledReason) return <Badge tone="bad">Stopped</Badge>;
  if (!webhook.enabled) return <Badge tone="neutral">Paused</Badge>;
  return webhook.failingSince ? <Badge tone="warn">Failing</Badge> : <Badge tone="good">On</Badge>;
}

export const EVENTS: readonly { event: WebhookEvent; text: string }[] = [
  { event: "JOB_SUCCEEDED", text: "succeeded" },
  { event: "JOB_FAILED", text: "failed" },
  { event: "JOB_CANCELLED", text: "cancelled" },
];

export function eventText(event: WebhookEvent): string {
  if (event === "WEBHOOK_PING") return "Test message";
  return `Job ${EVENTS.find((each) => each.event === event)?.text ?? event}`;
}

const DELIVERIES: Record<WebhookDeliveryStatus, { tone: Tone; text: string }> = {
  PENDING: { tone: "accent", text: "Waiting" },
  DELIVERED: { tone: "good", text: "Delivered" },
  FAILED: { tone: "bad", text: "Given up" },
};

/** Where a message stands; one that was refused and is sent again says so. */
export function DeliveryBadge({ delivery: { status, error } }: { delivery: DeliveryRowFragment }) {
  const { tone, text } = DELIVERIES[status];
  const again = status === "PENDING" && error !== null;
  return <Badge tone={again ? "warn" : tone}>{again ? "Trying again" : text}</Badge>;
}
