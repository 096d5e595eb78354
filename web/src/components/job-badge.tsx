import { Badge, type Tone } from "./data";
import { m } from "./messages";

export type Status = "PENDING" | "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED";

export const STATUSES: Record<Status, { tone: Tone; text: () => string }> = {
  PENDING: { tone: "neutral", text: () => m.waiting },
  RUNNING: { tone: "accent", text: () => m.running },
  SUCCEEDED: { tone: "good", text: () => m.succeeded },
  FAILED: { tone: "bad", text: () => m.failed },
  CANCELLED: { tone: "warn", text: () => m.cancelled },
};

/** Where a job stands; one that was told to stop and has not yet says so. */
export function JobBadge({ status, cancelling }: { status: Status; cancelling?: boolean }) {
  const { tone, text } = STATUSES[status];
  const stopping = cancelling && (status === "PENDING" || status === "RUNNING");
  return <Badge tone={stopping ? "warn" : tone}>{stopping ? m.cancelling : text()}</Badge>;
}
