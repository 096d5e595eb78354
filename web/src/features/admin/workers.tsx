import { Link } from "@tanstack/react-router";
import { useClient } from "urql";
import { Confirm } from "@/components/confirm";
import { Ago, Badge, type Tone } from "@/components/data";
import { Note, Panel } from "@/components/layout";
import { Cell, Row, Table } from "@/components/table";
import { Button } from "@/components/ui";
import {
  DrainWorkerDocument,
  type HealthFragment,
  ResumeWorkerDocument,
  type WorkerFragment,
  type WorkerPhase,
} from "@/gql/graphql";
import { act } from "@/lib/client";
import { bytes, fixed } from "@/lib/format";
import { useAction } from "@/lib/use-action";
import { m } from "./messages";

const PHASES: Record<WorkerPhase, { tone: Tone; text: () => string }> = {
  READY: { tone: "good", text: () => m.alive },
  DRAINING: { tone: "warn", text: () => m.draining },
  SILENT: { tone: "bad", text: () => m.silent },
};

/** Worker processes by their last sign of life, and what one can tell them to do. */
export function Workers({ workers }: { workers: HealthFragment["workers"] }) {
  return (
    <Panel title={m.workers}>
      <div>
        {workers === null && <Note tone="bad" title={m.redisDoesNotAnswer} hint={m.workersCannotBeSeen} />}
        {workers?.length === 0 && <Note tone="bad" title={m.noWorkerIsThere} hint={m.startAWorker} />}
      </div>
      {workers && workers.length > 0 && (
        <Table
          caption={m.workers}
          head={[m.worker, m.state, m.signOfLife, m.running, m.load, m.memoryFree, m.diskFree, m.orders]}
        >
          {workers.map((worker) => (
            <WorkerRow key={worker.id} worker={worker} />
          ))}
        </Table>
      )}
    </Panel>
  );
}

function process({ host, pid, version }: WorkerFragment): string {
  const known = { host, pid: String(pid) };
  return version ? m.hostProcessVersion({ ...known, version }) : m.hostProcess(known);
}

function WorkerRow({ worker }: { worker: WorkerFragment }) {
  const { tone, text } = PHASES[worker.state];
  const { machine } = worker;
  return (
    <Row>
      <Cell plain>
        <span translate="no" className="font-mono text-sm break-all">
          {worker.id}
        </span>
        <span className="block text-sm text-muted">{process(worker)}</span>
      </Cell>
      <Cell>
        <Badge tone={tone}>{text()}</Badge>
      </Cell>
      <Cell>
        <Ago time={worker.seenAt} />
      </Cell>
      <Cell>
        <span className="tabular-nums">{m.of({ some: worker.running, all: worker.slots })}</span>
      </Cell>
      <Cell>{machine?.load == null ? "–" : m.loadOnOf({ load: fixed(machine.load, 2), cores: machine.cores })}</Cell>
      <Cell>{bytes(machine?.memoryAvailableBytes)}</Cell>
      <Cell>{bytes(machine?.diskFreeBytes)}</Cell>
      <Cell>
        <Orders worker={worker} />
      </Cell>
    </Row>
  );
}

/** A worker reads its orders within seconds; the live state then says so. */
function Orders({ worker }: { worker: WorkerFragment }) {
  const client = useClient();
  const action = useAction();
  const { id } = worker;
  const drain = (handBack: boolean) => act(client, DrainWorkerDocument, { input: { id, handBack } });
  if (worker.state === "SILENT") return <span className="text-muted">{m.hearsNothing}</span>;
  return (
    <span className="flex flex-wrap gap-2">
      {worker.state === "DRAINING" ? (
        <Button
          small
          busy={action.busy}
          aria-label={m.resumeWorker({ id })}
          onClick={() => action.run(() => act(client, ResumeWorkerDocument, { input: { id } }))}
        >
          {m.resume}
        </Button>
      ) : (
        <Button
          small
          busy={action.busy}
          aria-label={m.drainWorker({ id })}
          onClick={() => action.run(() => drain(false))}
        >
          {m.drain}
        </Button>
      )}
      {worker.running > 0 && (
        <Confirm
          label={m.handJobsBack}
          question={m.giveThemToOthers}
          act={async () => {
            await drain(true);
          }}
        />
      )}
      {worker.jobIds.length > 0 && (
        <Link to="/admin" search={{ view: "jobs" }} className="text-accent underline">
          {m.itsJobs}
        </Link>
      )}
      {action.refusal && (
        <span role="alert" className="text-sm text-bad">
          {action.refusal.message}
        </span>
      )}
    </span>
  );
}
