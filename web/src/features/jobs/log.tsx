import { useEffect, useRef, useState } from "react";
import { Panel } from "@/components/layout";
import { classes } from "@/components/ui";
import { JobLogDocument } from "@/gql/graphql";
import { clock } from "@/lib/format";
import { useSubscription } from "@/lib/live";
import { appendLines, type LogLine, MOST_LINES, markedParts, matching } from "./merge";
import { m } from "./messages";

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
  const [wanted, setWanted] = useState("");
  const shown = matching(lines, wanted);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new line scrolls
  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines, follow, wanted]);
  const found = wanted.trim() ? m.linesOf({ count: shown.length, all: lines.length }) : "";
  return (
    <Panel
      title={m.log}
      actions={
        <>
          <span role="status" className="text-sm text-muted tabular-nums">
            {found}
          </span>
          <input
            type="search"
            value={wanted}
            onChange={(event) => setWanted(event.target.value)}
            aria-label={m.searchTheLog}
            placeholder={m.search}
            className="min-h-7 w-40 rounded-lg border border-field bg-surface px-2.5 text-sm placeholder:text-muted"
          />
          <label className="flex items-center gap-2 text-sm">
            <input
              type="checkbox"
              checked={follow}
              onChange={(event) => setFollow(event.target.checked)}
              className="size-4 accent-accent"
            />
            {m.follow}
          </label>
        </>
      }
    >
      {shown.length === 0 ? (
        <p className="text-muted">{lines.length === 0 ? m.nothingYet : m.noLineHasIt}</p>
      ) : (
        <ol
          ref={box}
          aria-label={m.logOfTheJob}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
          tabIndex={0}
          className="max-h-72 overflow-auto rounded-lg bg-raised p-3 font-mono text-sm"
          onWheel={(event) => event.deltaY < 0 && setFollow(false)}
        >
          {shown.map((line) => (
            <li key={line.sequence} className={classes("flex gap-3", LEVELS[line.level])}>
              <time className="shrink-0 text-muted" dateTime={line.at}>
                {clock(line.at)}
              </time>
              <span lang="en" className="min-w-0 break-words whitespace-pre-wrap">
                {line.level !== "INFO" && <strong>{line.level} </strong>}
                <Marked text={line.message} wanted={wanted} />
              </span>
            </li>
          ))}
        </ol>
      )}
      {lines.length >= MOST_LINES && <p className="mt-2 text-sm text-muted">{m.newestLines({ lines: MOST_LINES })}</p>}
    </Panel>
  );
}

/** A message with what was searched for marked. */
function Marked({ text, wanted }: { text: string; wanted: string }) {
  return markedParts(text, wanted).map((part, index) =>
    index % 2 === 1 ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: parts of a text never move
      <mark key={index} className="rounded bg-warn-tint text-ink">
        {part}
      </mark>
    ) : (
      part
    ),
  );
}
