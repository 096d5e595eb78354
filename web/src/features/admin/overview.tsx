import { useEffect, useState } from "react";
import { useQuery } from "urql";
import { Choice } from "@/components/choice";
import { Progress } from "@/components/data";
import { Facts, Note, Panel } from "@/components/layout";
import { type HealthFragment, ThroughputHistoryDocument } from "@/gql/graphql";
import { bytes, count, duration, percent } from "@/lib/format";
import { fromCombined } from "@/lib/refusal";
import { Chart } from "./chart";
import { type Point, pointOf } from "./series";

const share = (value: number) => percent(value);
const whole = (value: number) => (Number.isInteger(value) ? count(value) : "");

/** The system at a glance. */
export function Overview({ health, series }: { health: HealthFragment; series: readonly Point[] }) {
  return (
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
      <Machine health={health} />
      <Panel title="All jobs">
        <Facts
          facts={health.jobs.map((each) => [
            each.status.charAt(0) + each.status.slice(1).toLowerCase(),
            count(each.count),
          ])}
        />
      </Panel>
      <LiveCharts series={series} />
      <History />
    </div>
  );
}

function Machine({ health }: { health: HealthFragment }) {
  const { machine } = health;
  const { load, memory, disk } = pointOf(health);
  const { cores, memoryAvailableBytes, memoryTotalBytes, diskFreeBytes, diskTotalBytes } = machine;
  const loaded = machine.load === null ? "–" : `load ${machine.load.toFixed(2)} on ${cores} cores`;
  return (
    <Panel title="Machine of the API">
      <div className="grid grid-cols-1 gap-3">
        <Meter name="Processor" share={load} text={loaded} />
        <Meter
          name="Memory"
          share={memory}
          text={`${bytes(memoryAvailableBytes)} of ${bytes(memoryTotalBytes)} free`}
        />
        <Meter name="Disk" share={disk} text={`${bytes(diskFreeBytes)} of ${bytes(diskTotalBytes)} free`} />
        <p className="text-sm text-muted">The API process uses {bytes(machine.apiMemoryBytes)}.</p>
      </div>
    </Panel>
  );
}

function Meter({ name, share: value, text }: { name: string; share: number | null; text: string }) {
  return (
    <div className="grid gap-1">
      <div className="flex justify-between gap-2">
        <span className="font-medium">{name}</span>
        <span className="text-muted tabular-nums">{text}</span>
      </div>
      {value !== null && <Progress value={value} label={`${name} in use`} />}
    </div>
  );
}

function LiveCharts({ series }: { series: readonly Point[] }) {
  const times = series.map((point) => point.at);
  return (
    <Panel title="Since this page was opened" className="lg:col-span-2">
      <div className="grid grid-cols-1 gap-6 lg:grid-cols-2">
        <Chart
          title="Jobs"
          times={times}
          format={whole}
          lines={[
            { label: "running", colour: "accent", values: series.map((point) => point.running) },
            { label: "waiting", colour: "warn", values: series.map((point) => point.queued) },
          ]}
        />
        <Chart
          title="Machine of the API"
          times={times}
          format={share}
          most={1}
          lines={[
            {
              label: "processor",
              colour: "accent",
              values: series.map((point) => point.load && Math.min(point.load, 1)),
            },
            { label: "memory", colour: "warn", values: series.map((point) => point.memory) },
            { label: "disk", colour: "muted", values: series.map((point) => point.disk) },
          ]}
        />
      </div>
    </Panel>
  );
}

const SPANS = [
  { value: "1", text: "Hour" },
  { value: "24", text: "Day" },
  { value: "168", text: "Week" },
] as const;
/** Spans of the history are a minute at least: it is read again this often, in milliseconds. */
const AGAIN = 15_000;

function History() {
  const [hours, setHours] = useState<(typeof SPANS)[number]["value"]>("24");
  const [{ data, error }, again] = useQuery({ query: ThroughputHistoryDocument, variables: { hours: Number(hours) } });
  useEffect(() => {
    const timer = setInterval(() => again({ requestPolicy: "network-only" }), AGAIN);
    return () => clearInterval(timer);
  }, [again]);
  const points = data?.throughputHistory ?? [];
  const times = points.map(({ start }) => Date.parse(start) / 1000);
  return (
    <Panel
      title="What was done"
      className="lg:col-span-2"
      actions={<Choice legend="How far back" options={SPANS} value={hours} choose={setHours} />}
    >
      {error && !data && <Note tone="bad" title={fromCombined(error).message} />}
      <div className="grid grid-cols-1 gap-6 lg:grid-cols-2">
        <Chart
          title="Jobs that ended"
          times={times}
          format={whole}
          lines={[
            { label: "all", colour: "accent", values: points.map((point) => point.jobsFinished) },
            { label: "failed", colour: "bad", values: points.map((point) => point.jobsFailed) },
          ]}
        />
        <Chart
          title="Bytes read by jobs that succeeded"
          times={times}
          format={bytes}
          lines={[{ label: "read", colour: "accent", values: points.map((point) => point.bytesRead) }]}
        />
      </div>
    </Panel>
  );
}
