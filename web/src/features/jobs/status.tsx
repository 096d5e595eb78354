import { Badge, type Tone } from "@/components/data";
import type { JobRowFragment, JobStatus } from "@/gql/graphql";
import { isEnded } from "./merge";

export const STATUSES: Record<JobStatus, { tone: Tone; text: string }> = {
  PENDING: { tone: "neutral", text: "Waiting" },
  RUNNING: { tone: "accent", text: "Running" },
  SUCCEEDED: { tone: "good", text: "Succeeded" },
  FAILED: { tone: "bad", text: "Failed" },
  CANCELLED: { tone: "warn", text: "Cancelled" },
};

export function JobBadge({ job }: { job: JobRowFragment }) {
  const { tone, text } = STATUSES[job.status];
  const cancelling = job.cancelRequested && !isEnded(job.status);
  return <Badge tone={cancelling ? "warn" : tone}>{cancelling ? "Cancelling" : text}</Badge>;
}
