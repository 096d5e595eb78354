import { Badge, type Tone } from "@/components/data";
import type { DatasetStatus } from "@/gql/graphql";
import { m } from "./messages";

const STATUSES: Record<DatasetStatus, { tone: Tone; text: () => string }> = {
  INSPECTING: { tone: "accent", text: () => m.inspecting },
  READY: { tone: "good", text: () => m.ready },
  FAILED: { tone: "bad", text: () => m.cannotBeRead },
};

export function DatasetBadge({ status }: { status: DatasetStatus }) {
  const { tone, text } = STATUSES[status];
  return <Badge tone={tone}>{text()}</Badge>;
}
