import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { useQuery } from "urql";
import { Choice } from "@/components/choice";
import { Failed, Loading, Note, PageHeader } from "@/components/layout";
import { type HealthFragment, SystemStatusChangedDocument, SystemStatusDocument } from "@/gql/graphql";
import { clock } from "@/lib/format";
import { useSubscription } from "@/lib/live";
import { fromCombined } from "@/lib/refusal";
import { session } from "@/lib/session";
import { useStore } from "@/lib/store";
import { Audit } from "./audit";
import { AllJobs } from "./jobs";
import { m } from "./messages";
import { Overview } from "./overview";
import { addPoint, type Point, pointOf } from "./series";
import { Storage } from "./storage";
import { Users } from "./users";
import { Workers } from "./workers";

const VIEWS = ["overview", "workers", "jobs", "storage", "users", "audit"] as const;
type View = (typeof VIEWS)[number];

const views = (): { value: View; text: string }[] => [
  { value: "overview", text: m.overview },
  { value: "workers", text: m.workers },
  { value: "jobs", text: m.jobs },
  { value: "storage", text: m.storage },
  { value: "users", text: m.accounts },
  { value: "audit", text: m.auditLog },
];

export function StatusPage() {
  const current = useStore(session);
  if (current.status !== "signedIn" || current.user.role !== "ADMIN") {
    return (
      <>
        <PageHeader title={m.status} />
        <Note tone="warn" title={m.forAdministrators} hint={m.askAnAdministrator} />
      </>
    );
  }
  return <Status me={current.user.id} />;
}

function Status({ me }: { me: string }) {
  const { view: wanted } = useSearch({ strict: false }) as { view?: string };
  const view = VIEWS.find((value) => value === wanted) ?? "overview";
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
      <Loading what={m.loadingTheStatus} />
    );
  }
  return (
    <>
      <PageHeader title={m.status} note={m.liveAsOf({ time: clock(health.at) })} />
      <div className="grid grid-cols-1 gap-4">
        <Choice
          legend={m.show}
          options={views()}
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
