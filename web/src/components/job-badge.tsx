import { Badge, type Tone } from "./data";

export type Status = "PENDING" | "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED";

export const STATUSES: Record<Status, { tone: Tone; text: string }> = {
  PENDING: { tone: "neutral", text: "Waiting" },
  RUNNING: { tone: "accent", text: "Running" },
  SUCCEEDED: { tone: "good", text: "Succeeded" },
  FAILED: { tone: "bad", text: "Failed" },
  CANCELLED: { tone: "warn", text: "Cancelled" },
};

/** Where a job stands; one that was told to stop and has not yet says so. */
export function JobBadge({ status, cancelling }: { status: Status; cancelling?: boolean }) {
  const { tone, text } = STATUSES[status];
  const stopping = cancelling && (status === "PENDING" || status === "RUNNING");
  return <Badge tone={stopping ? "warn" : tone}>{stopping ? "Cancelling" : text}</Badge>;
}
