import { useState } from "react";
import { useQuery } from "urql";
import { Badge, Progress } from "@/components/data";
import { Facts, Failed, Loading, Note, PageHeader, Panel } from "@/components/layout";
import { type HealthFragment, SystemStatusChangedDocument, SystemStatusDocument } from "@/gql/graphql";
import { bytes, count, duration, percent } from "@/lib/format";
import { useSubscription } from "@/lib/live";
import { fromCombined } from "@/lib/refusal";
import { session } from "@/lib/session";
import { useStore } from "@/lib/store";

export function StatusPage() {
  const current = useStore(session);
  if (current.status !== "signedIn" || current.user.role !== "ADMIN") {
    return (
      <Note tone="warn" title="This page is for administrators." hint="Ask one of them to make you an administrator." />
    );
  }
  return <Status />;
}

function Status() {
  const [{ data, error }, again] = useQuery({ query: SystemStatusDocument, variables: {} });
  const [live, setLive] = useState<HealthFragment | null>(null);
  useSubscription(SystemStatusChangedDocument, {}, (event) => setLive(event.systemStatusChanged));
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
      <div className="grid grid-cols-1 gap-4 lg:grid-cols-2">
        <Panel title="Jobs now">
          <Facts
            facts={[
              ["Running", count(health.jobs.find((each) => each.status === "RUNNING")?.count ?? 0)],
              ["Queue depth", count(health.queueDepth)],
              ["Oldest waits for", duration(health.queueOldestSeconds)],
            ]}
          />
        </Panel>
        <Panel title="Last hour">
          <Facts
            facts={[
              ["Finished", count(health.lastHour.jobsFinished)],
              ["Failed", count(health.lastHour.jobsFailed)],
              ["Error rate", percent(health.lastHour.errorRate)],
              ["Read", bytes(health.lastHour.bytesRead)],
              ["Rows in", count(health.lastHour.rowsIn)],
            ]}
          />
        </Panel>
        <Machine machine={health.machine} />
        <Panel title="All jobs">
          <Facts
            facts={health.jobs.map((each) => [
              each.status.charAt(0) + each.status.slice(1).toLowerCase(),
              count(each.count),
            ])}
          />
        </Panel>
        <Workers workers={health.workers ?? null} />
      </div>
    </>
  );
}

function Machine({ machine }: { machine: HealthFragment["machine"] }) {
  const { memoryTotalBytes: total, memoryAvailableBytes: available } = machine;
  const memory = total && available != null ? 1 - available / total : null;
  const disk = 1 - machine.diskFreeBytes / machine.diskTotalBytes;
  return (
    <Panel title="Machine of the API">
      <div className="grid grid-cols-1 gap-3">
        <Meter
          name="Processor"
          share={machine.load == null ? null : machine.load / machine.cores}
          text={machine.load == null ? "–" : `load ${machine.load.toFixed(2)} on ${machine.cores} cores`}
        />
        <Meter name="Memory" share={memory} text={`${bytes(available)} of ${bytes(total)} free`} />
        <Meter
          name="Disk"
          share={disk}
          text={`${bytes(machine.diskFreeBytes)} of ${bytes(machine.diskTotalBytes)} free`}
        />
        <p className="text-sm text-muted">The API process uses {bytes(machine.apiMemoryBytes)}.</p>
      </div>
    </Panel>
  );
}

function Meter({ name, share, text }: { name: string; share: number | null; text: string }) {
  return (
    <div className="grid gap-1">
      <div className="flex justify-between gap-2">
        <span className="font-medium">{name}</span>
        <span className="text-muted tabular-nums">{text}</span>
      </div>
      {share !== null && <Progress value={share} label={`${name} in use`} />}
    </div>
  );
}

function Workers({ workers }: { workers: HealthFragment["workers"] }) {
  return (
    <Panel title="Workers" className="lg:col-span-2">
      {workers == null && (
        <Note
          tone="bad"
          title="Redis does not answer."
          hint="Workers cannot be seen, and new jobs wait until it is back."
        />
      )}
      {workers?.length === 0 && (
        <Note tone="bad" title="No worker is there." hint="Jobs wait until one starts: karyaksham worker." />
      )}
      {workers && workers.length > 0 && (
        <table className="w-full text-left">
          <thead className="text-sm text-muted">
            <tr>
              {["Worker", "Machine", "State", "Running"].map((name) => (
                <th key={name} scope="col" className="py-1.5 pr-4 font-medium">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {workers.map((worker) => (
              <tr key={worker.id} className="border-t border-line">
                <td className="py-1.5 pr-4 font-mono text-sm break-all">{worker.id}</td>
                <td className="py-1.5 pr-4">
                  {worker.host}, process {worker.pid}
                </td>
                <td className="py-1.5 pr-4">
                  <Badge tone={worker.alive ? "good" : "bad"}>{worker.alive ? "Alive" : "Silent"}</Badge>
                </td>
                <td className="py-1.5 tabular-nums">
                  {worker.running} of {worker.slots}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  );
}
