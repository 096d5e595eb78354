import "uplot/dist/uPlot.min.css";
import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import { formatTime } from "@/lib/i18n";
import { useStore } from "@/lib/store";
import { theme } from "@/lib/theme";
import { m } from "./messages";

export interface Line {
  label: string;
  /** Name of a colour of the theme: `accent`, `bad`, … */
  colour: string;
  values: readonly (number | null)[];
}

interface Props {
  title: string;
  /** Unix seconds. */
  times: readonly number[];
  lines: readonly Line[];
  format: (value: number) => string;
  /** Top of the scale, when it is fixed. */
  most?: number;
}

const HEIGHT = 150;

/** Counts changes of the colours: the canvas is drawn anew for each. */
function useColours(): number {
  const chosen = useStore(theme);
  const [changes, setChanges] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another choice is another drawing
  useEffect(() => setChanges((count) => count + 1), [chosen]);
  useEffect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => setChanges((count) => count + 1);
    dark.addEventListener("change", changed);
    return () => dark.removeEventListener("change", changed);
  }, []);
  return changes;
}

/** Seconds that the ticks of the time may be apart. */
const INCREMENTS = [1, 5, 15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400] as const;

/** Ticks of the time: days, or the clock with seconds where they matter. */
function clock(ticks: readonly number[], apart: number): string[] {
  const options: Intl.DateTimeFormatOptions =
    apart >= 43_200
      ? { day: "numeric", month: "short" }
      : { hour: "2-digit", minute: "2-digit", ...(apart < 60 && { second: "2-digit" }) };
  return ticks.map((tick) => formatTime(new Date(tick * 1000), options));
}

const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--color-${name}`).trim();

function options({ lines, format, most }: Props, width: number): uPlot.Options {
  const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_, __, highest) => [0, most ?? Math.max(highest * 1.1, 1)] } },
    axes: [
      { ...axis, incrs: [...INCREMENTS], values: (_, ticks, __, ___, apart) => clock(ticks, apart) },
      { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => format(tick)) },
    ],
    series: [
      {},
      ...lines.map((line) => ({ label: line.label, stroke: colour(line.colour), width: 2, points: { show: false } })),
    ],
  };
}

/** A chart over time, with its newest figures as text: they are all that those who do not see it need. */
export function Chart(props: Props) {
  const { title, times, lines, format } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const colours = useColours();
  // biome-ignore lint/correctness/useExhaustiveDependencies: other colours are another drawing
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const drawn = new uPlot(options(latest.current, element.clientWidth), data(latest.current), element);
    plot.current = drawn;
    const observer = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      drawn.destroy();
      plot.current = null;
    };
  }, [colours]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: new points are drawn into what is there
  useEffect(() => plot.current?.setData(data(latest.current)), [times, lines]);
  const newest = lines.map(({ label, values }) => `${label} ${text(values.at(-1), format)}`).join(", ");
  return (
    <figure className="min-w-0">
      <figcaption className="mb-1 flex flex-wrap items-baseline justify-between gap-x-3">
        <span className="font-medium">{title}</span>
        <span className="flex flex-wrap gap-x-3 text-sm text-muted tabular-nums">
          {lines.map(({ label, values, colour: name }) => (
            <span key={label} className="inline-flex items-center gap-1.5">
              <span aria-hidden="true" className="h-0.5 w-3" style={{ background: `var(--color-${name})` }} />
              {label} {text(values.at(-1), format)}
            </span>
          ))}
        </span>
      </figcaption>
      {/* until the observer has seen that there is less room, the drawing must not make the page wider */}
      <div
        ref={box}
        role="img"
        aria-label={m.overTimeNewest({ title, newest })}
        className="min-h-[150px] overflow-hidden"
      />
    </figure>
  );
}

const text = (value: number | null | undefined, format: (value: number) => string) =>
  value == null ? "–" : format(value);

function data({ times, lines }: Props): uPlot.AlignedData {
  return [[...times], ...lines.map(({ values }) => [...values])];
}
