import { Badge, type Tone } from "@/components/data";
import type { DatasetStatus } from "@/gql/graphql";

const STATUSES: Record<DatasetStatus, { tone: Tone; text: string }> = {
  INSPECTING: { tone: "accent", text: "Inspecting" },
  READY: { tone: "good", text: "Ready" },
  FAILED: { tone: "bad", text: "Cannot be read" },
};

export function DatasetBadge({ status }: { status: DatasetStatus }) {
  const { tone, text } = STATUSES[status];
  return <Badge tone={tone}>{text}</Badge>;
}
