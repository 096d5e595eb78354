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
import { bytes } from "@/lib/format";
import { useAction } from "@/lib/use-action";

const PHASES: Record<WorkerPhase, { tone: Tone; text: string }> = {
  READY: { tone: "good", text: "Alive" },
  DRAINING: { tone: "warn", text: "Draining" },
  SILENT: { tone: "bad", text: "Silent" },
};

/** Worker processes by their last sign of life, and what one can tell them to do. */
export function Workers({ workers }: { workers: HealthFragment["workers"] }) {
  return (
    <Panel title="Workers">
      <div>
        {workers === null && (
          <Note
            tone="bad"
            title="Redis does not answer."
            hint="Workers cannot be seen, and new jobs wait until it is back."
          />
        )}
        {workers?.length === 0 && (
          <Note tone="bad" title="No worker is there." hint="Jobs wait until one starts: karyaksham worker." />
        )}
      </div>
      {workers && workers.length > 0 && (
        <Table
          caption="Workers"
          head={["Worker", "State", "Sign of life", "Running", "Load", "Memory free", "Disk free", "Orders"]}
        >
          {workers.map((worker) => (
            <WorkerRow key={worker.id} worker={worker} />
          ))}
        </Table>
      )}
    </Panel>
  );
}

function WorkerRow({ worker }: { worker: WorkerFragment }) {
  const { tone, text } = PHASES[worker.state];
  const { machine } = worker;
  return (
    <Row>
      <Cell plain>
        <span className="font-mono text-sm break-all">{worker.id}</span>
        <span className="block text-sm text-muted">
          {worker.host}, process {worker.pid}
          {worker.version && `, version ${worker.version}`}
        </span>
      </Cell>
      <Cell>
        <Badge tone={tone}>{text}</Badge>
      </Cell>
      <Cell>
        <Ago time={worker.seenAt} />
      </Cell>
      <Cell>
        <span className="tabular-nums">
          {worker.running} of {worker.slots}
        </span>
      </Cell>
      <Cell>{machine?.load == null ? "–" : `${machine.load.toFixed(2)} on ${machine.cores}`}</Cell>
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
  if (worker.state === "SILENT") return <span className="text-muted">hears nothing</span>;
  return (
    <span className="flex flex-wrap gap-2">
      {worker.state === "DRAINING" ? (
        <Button
          small
          busy={action.busy}
          aria-label={`Resume worker ${id}`}
          onClick={() => action.run(() => act(client, ResumeWorkerDocument, { input: { id } }))}
        >
          Resume
        </Button>
      ) : (
        <Button
          small
          busy={action.busy}
          aria-label={`Drain worker ${id}`}
          onClick={() => action.run(() => drain(false))}
        >
          Drain
        </Button>
      )}
      {worker.running > 0 && (
        <Confirm
          label="Hand jobs back"
          question="Give them to others?"
          act={async () => {
            await drain(true);
          }}
        />
      )}
      {worker.jobIds.length > 0 && (
        <Link to="/admin" search={{ view: "jobs" }} className="text-accent underline">
          jobs
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
