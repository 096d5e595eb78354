import { type ReactNode, useEffect, useState } from "react";
import { ago, dateTime, percent } from "@/lib/format";
import { m } from "./messages";
import { Button, classes } from "./ui";

const TONES = {
  neutral: "bg-raised text-ink",
  accent: "bg-tint text-accent-strong",
  good: "bg-good-tint text-good",
  bad: "bg-bad-tint text-bad",
  warn: "bg-warn-tint text-warn",
};
export type Tone = keyof typeof TONES;

export function Badge({ tone, children }: { tone: Tone; children: string }) {
  return (
    <span
      className={classes(
        "inline-flex items-center gap-1.5 rounded-full px-2.5 py-0.5 text-sm font-medium",
        TONES[tone],
      )}
    >
      <span aria-hidden="true" className="size-1.5 rounded-full bg-current" />
      {children}
    </span>
  );
}

/** A bar for a share from 0 to 1; null while nobody knows, then it moves without end. */
export function Progress({ value, label, paused }: { value: number | null; label: string; paused?: boolean }) {
  const width = value === null ? 100 : Math.min(Math.max(value, 0), 1) * 100;
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={value === null ? undefined : Math.floor(width)}
      aria-valuetext={value === null ? m.underWay : percent(value)}
      className="h-2 overflow-hidden rounded-full bg-raised"
    >
      <div
        className={classes(
          "h-full rounded-full transition-[width] duration-300",
          paused ? "bg-field" : "bg-accent",
          value === null && "animate-pulse opacity-60",
        )}
        style={{ width: `${width}%` }}
      />
    </div>
  );
}

/** How long ago, kept up to date, with the exact time on hover. */
export function Ago({ time }: { time: string }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 20_000);
    return () => clearInterval(timer);
  }, []);
  return (
    <time dateTime={time} title={dateTime(time)}>
      {ago(time, Math.max(now, Date.parse(time)))}
    </time>
  );
}

/** Copies a text; says so for a moment. */
export function CopyButton({ text, label = m.copy }: { text: string; label?: string }) {
  const [copied, setCopied] = useState<boolean | null>(null);
  useEffect(() => {
    if (copied === null) return;
    const timer = setTimeout(() => setCopied(null), 2000);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      setCopied(false);
    }
  };
  return (
    <Button small onClick={copy}>
      <span aria-live="polite">{copied === null ? label : copied ? m.copied : m.selectAndCopyByHand}</span>
    </Button>
  );
}

/** What people or machines wrote: names, addresses, ids. No translator touches it. */
export function Data({ children }: { children: ReactNode }) {
  return <span translate="no">{children}</span>;
}

export function Code({ children }: { children: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <pre translate="no" className="relative overflow-x-auto rounded-lg bg-raised p-3 font-mono text-sm" tabIndex={0}>
      {children}
    </pre>
  );
}
