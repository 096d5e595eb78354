import { useEffect, useState } from "react";
import { useQuery } from "urql";
import { Choice } from "@/components/choice";
import { Progress } from "@/components/data";
import { Facts, Note, Panel } from "@/components/layout";
import { type HealthFragment, ThroughputHistoryDocument } from "@/gql/graphql";
import { bytes, count, duration, fixed, percent } from "@/lib/format";
import { fromCombined } from "@/lib/refusal";
import { Chart } from "./chart";
import { m } from "./messages";
import { type Point, pointOf } from "./series";

const share = (value: number) => percent(value);
const whole = (value: number) => (Number.isInteger(value) ? count(value) : "");

/** The system at a glance. */
export function Overview({ health, series }: { health: HealthFragment; series: readonly Point[] }) {
  return (
    <div className="grid grid-cols-1 gap-4 lg:grid-cols-2">
      <Panel title={m.jobsNow}>
        <Facts
          facts={[
            [m.running, count(health.jobs.find((each) => each.status === "RUNNING")?.count ?? 0)],
            [m.queueDepth, count(health.queueDepth)],
            [m.oldestWaitsFor, duration(health.queueOldestSeconds)],
          ]}
        />
      </Panel>
      <Panel title={m.lastHour}>
        <Facts
          facts={[
            [m.finished, count(health.lastHour.jobsFinished)],
            [m.failed, count(health.lastHour.jobsFailed)],
            [m.errorRate, percent(health.lastHour.errorRate)],
            [m.read, bytes(health.lastHour.bytesRead)],
            [m.rowsIn, count(health.lastHour.rowsIn)],
          ]}
        />
      </Panel>
      <Machine health={health} />
      <Panel title={m.allJobs}>
        <Facts facts={health.jobs.map((each) => [statusText(each.status), count(each.count)])} />
      </Panel>
      <LiveCharts series={series} />
      <History />
    </div>
  );
}

function statusText(status: string): string {
  switch (status) {
    case "PENDING":
      return m.pending;
    case "RUNNING":
      return m.running;
    case "SUCCEEDED":
      return m.succeeded;
    case "FAILED":
      return m.failed;
    case "CANCELLED":
      return m.cancelled;
    default:
      return status;
  }
}

function Machine({ health }: { health: HealthFragment }) {
  const { machine } = health;
  const { load, memory, disk } = pointOf(health);
  const { cores, memoryAvailableBytes, memoryTotalBytes, diskFreeBytes, diskTotalBytes } = machine;
  const loaded = machine.load === null ? "–" : m.loadOn({ load: fixed(machine.load, 2), count: cores });
  return (
    <Panel title={m.machineOfTheApi}>
      <div className="grid grid-cols-1 gap-3">
        <Meter name={m.processor} label={m.processorInUse} share={load} text={loaded} />
        <Meter
          name={m.memory}
          label={m.memoryInUse}
          share={memory}
          text={m.ofFree({ free: bytes(memoryAvailableBytes), all: bytes(memoryTotalBytes) })}
        />
        <Meter
          name={m.disk}
          label={m.diskInUse}
          share={disk}
          text={m.ofFree({ free: bytes(diskFreeBytes), all: bytes(diskTotalBytes) })}
        />
        <p className="text-sm text-muted">{m.theApiProcessUses({ size: bytes(machine.apiMemoryBytes) })}</p>
      </div>
    </Panel>
  );
}

interface MeterProps {
  name: string;
  label: string;
  share: number | null;
  text: string;
}

function Meter({ name, label, share: value, text }: MeterProps) {
  return (
    <div className="grid gap-1">
      <div className="flex justify-between gap-2">
        <span className="font-medium">{name}</span>
        <span className="text-muted tabular-nums">{text}</span>
      </div>
      {value !== null && <Progress value={value} label={label} />}
    </div>
  );
}

function LiveCharts({ series }: { series: readonly Point[] }) {
  const times = series.map((point) => point.at);
  return (
    <Panel title={m.sinceOpened} className="lg:col-span-2">
      <div className="grid grid-cols-1 gap-6 lg:grid-cols-2">
        <Chart
          title={m.jobs}
          times={times}
          format={whole}
          lines={[
            { label: m.lineRunning, colour: "accent", values: series.map((point) => point.running) },
            { label: m.lineWaiting, colour: "warn", values: series.map((point) => point.queued) },
          ]}
        />
        <Chart
          title={m.machineOfTheApi}
          times={times}
          format={share}
          most={1}
          lines={[
            {
              label: m.lineProcessor,
              colour: "accent",
              values: series.map((point) => point.load && Math.min(point.load, 1)),
            },
            { label: m.lineMemory, colour: "warn", values: series.map((point) => point.memory) },
            { label: m.lineDisk, colour: "muted", values: series.map((point) => point.disk) },
          ]}
        />
      </div>
    </Panel>
  );
}

const spans = () => [
  { value: "1", text: m.hour },
  { value: "24", text: m.day },
  { value: "168", text: m.week },
];
/** Spans of the history are a minute at least: it is read again this often, in milliseconds. */
const AGAIN = 15_000;

function History() {
  const [hours, setHours] = useState("24");
  const [{ data, error }, again] = useQuery({ query: ThroughputHistoryDocument, variables: { hours: Number(hours) } });
  useEffect(() => {
    const timer = setInterval(() => again({ requestPolicy: "network-only" }), AGAIN);
    return () => clearInterval(timer);
  }, [again]);
  const points = data?.throughputHistory ?? [];
  const times = points.map(({ start }) => Date.parse(start) / 1000);
  return (
    <Panel
      title={m.whatWasDone}
      className="lg:col-span-2"
      actions={<Choice legend={m.howFarBack} options={spans()} value={hours} choose={setHours} />}
    >
      {error && !data && <Note tone="bad" title={fromCombined(error).message} />}
      <div className="grid grid-cols-1 gap-6 lg:grid-cols-2">
        <Chart
          title={m.jobsThatEnded}
          times={times}
          format={whole}
          lines={[
            { label: m.lineAll, colour: "accent", values: points.map((point) => point.jobsFinished) },
            { label: m.lineFailed, colour: "bad", values: points.map((point) => point.jobsFailed) },
          ]}
        />
        <Chart
          title={m.bytesReadBySucceeded}
          times={times}
          format={bytes}
          lines={[{ label: m.lineRead, colour: "accent", values: points.map((point) => point.bytesRead) }]}
        />
      </div>
    </Panel>
  );
}
