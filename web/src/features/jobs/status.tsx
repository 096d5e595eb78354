import { JobBadge as Plain } from "@/components/job-badge";
import type { JobRowFragment } from "@/gql/graphql";

export function JobBadge({ job }: { job: JobRowFragment }) {
  return <Plain status={job.status} cancelling={job.cancelRequested} />;
}
