import { useEffect, useRef, useState } from "react";
import { Panel } from "@/components/layout";
import { classes } from "@/components/ui";
import { JobLogDocument } from "@/gql/graphql";
import { useSubscription } from "@/lib/live";
import { appendLines, type LogLine } from "./merge";

const LEVELS: Record<LogLine["level"], string> = {
  DEBUG: "text-muted",
  INFO: "",
  WARNING: "text-warn",
  ERROR: "text-bad",
};
/** Lines that arrive together are drawn together, in milliseconds. */
const GATHER = 60;

/** The log from its beginning, then each new line. */
function useLog(id: string): readonly LogLine[] {
  const [lines, setLines] = useState<readonly LogLine[]>([]);
  const waiting = useRef<LogLine[]>([]);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  useSubscription(JobLogDocument, { id }, ({ jobLog }) => {
    waiting.current.push(jobLog);
    if (timer.current) return;
    timer.current = window.setTimeout(() => {
      const arrived = waiting.current;
      waiting.current = [];
      timer.current = 0;
      setLines((log) => appendLines(log, arrived));
    }, GATHER);
  });
  return lines;
}

export function JobLog({ id }: { id: string }) {
  const lines = useLog(id);
  const box = useRef<HTMLOListElement>(null);
  const [follow, setFollow] = useState(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new line scrolls
  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines, follow]);
  return (
    <Panel
      title="Log"
      actions={
        <label className="flex items-center gap-2 text-sm">
          <input
            type="checkbox"
            checked={follow}
            onChange={(event) => setFollow(event.target.checked)}
            className="size-4 accent-accent"
          />
          Follow
        </label>
      }
    >
      {lines.length === 0 ? (
        <p className="text-muted">Nothing yet.</p>
      ) : (
        <ol
          ref={box}
          aria-label="Log of the job"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
          tabIndex={0}
          className="max-h-72 overflow-auto rounded-lg bg-raised p-3 font-mono text-sm"
          onWheel={(event) => event.deltaY < 0 && setFollow(false)}
        >
          {lines.map((line) => (
            <li key={line.sequence} className={classes("flex gap-3", LEVELS[line.level])}>
              <time className="shrink-0 text-muted" dateTime={line.at}>
                {new Date(line.at).toLocaleTimeString("en-GB")}
              </time>
              <span className="min-w-0 break-words whitespace-pre-wrap">
                {line.level !== "INFO" && <strong>{line.level} </strong>}
                {line.message}
              </span>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}
