import { Badge, type Tone } from "@/components/data";
import type { WebhookDeliveryStatus, WebhookEvent, WebhookRowFragment } from "@/gql/graphql";

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
  FAILED: { tone: "bad", text: "Failed" },
};

export function DeliveryBadge({ status }: { status: WebhookDeliveryStatus }) {
  const { tone, text } = DELIVERIES[status];
  return <Badge tone={tone}>{text}</Badge>;
}
