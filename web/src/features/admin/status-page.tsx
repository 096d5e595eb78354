import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { useQuery } from "urql";
import { Choice } from "@/components/choice";
import { Failed, Loading, Note, PageHeader } from "@/components/layout";
import { type HealthFragment, SystemStatusChangedDocument, SystemStatusDocument } from "@/gql/graphql";
import { useSubscription } from "@/lib/live";
import { fromCombined } from "@/lib/refusal";
import { session } from "@/lib/session";
import { useStore } from "@/lib/store";
import { Audit } from "./audit";
import { AllJobs } from "./jobs";
import { Overview } from "./overview";
import { addPoint, type Point, pointOf } from "./series";
import { Storage } from "./storage";
import { Users } from "./users";
import { Workers } from "./workers";

const VIEWS = [
  { value: "overview", text: "Overview" },
  { value: "workers", text: "Workers" },
  { value: "jobs", text: "Jobs" },
  { value: "storage", text: "Storage" },
  { value: "users", text: "Accounts" },
  { value: "audit", text: "Audit log" },
] as const;
type View = (typeof VIEWS)[number]["value"];

export function StatusPage() {
  const current = useStore(session);
  if (current.status !== "signedIn" || current.user.role !== "ADMIN") {
    return (
      <>
        <PageHeader title="Status" />
        <Note
          tone="warn"
          title="This page is for administrators."
          hint="Sign in with an administrator's account, or ask one of them."
        />
      </>
    );
  }
  return <Status me={current.user.id} />;
}

function Status({ me }: { me: string }) {
  const { view: wanted } = useSearch({ strict: false }) as { view?: string };
  const view = VIEWS.find(({ value }) => value === wanted)?.value ?? "overview";
  const navigate = useNavigate();
  const [{ data, error }, again] = useQuery({ query: SystemStatusDocument, variables: {} });
  const [live, setLive] = useState<HealthFragment | null>(null);
  const [series, setSeries] = useState<readonly Point[]>([]);
  useSubscription(SystemStatusChangedDocument, {}, ({ systemStatusChanged }) => {
    setLive(systemStatusChanged);
    setSeries((before) => addPoint(before, pointOf(systemStatusChanged)));
  });
  const health = live ?? data?.systemStatus;
  if (!health) {
    return error ? (
      <Failed error={fromCombined(error)} retry={() => again({ requestPolicy: "network-only" })} />
    ) : (
      <Loading what="Loading the status" />
    );
  }
  return (
    <>
      <PageHeader title="Status" note={`Live. As of ${new Date(health.at).toLocaleTimeString("en-GB")}.`} />
      <div className="grid grid-cols-1 gap-4">
        <Choice
          legend="Show"
          options={VIEWS}
          value={view}
          choose={(value: View) => void navigate({ to: "/admin", search: { view: value } })}
        />
        {view === "overview" && <Overview health={health} series={series} />}
        {view === "workers" && <Workers workers={health.workers} />}
        {view === "jobs" && <AllJobs names={namesOf(health)} />}
        {view === "storage" && <Storage storage={health.storage} />}
        {view === "users" && <Users me={me} />}
        {view === "audit" && <Audit />}
      </div>
    </>
  );
}

/** Names of the workspaces that keep something; those of jobs are among them as a rule. */
function namesOf({ storage }: HealthFragment): ReadonlyMap<string, string> {
  return new Map(storage.workspaces.map(({ workspaceId, name }) => [workspaceId, name]));
}
