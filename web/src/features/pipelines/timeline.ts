/** The editor's states before and after the one that is shown: undo and redo. Pure. */
import { type EditorEvent, type EditorState, edit } from "./editor-state";

/** Steps back that are kept. */
export const MOST = 200;

export interface Timeline {
  past: readonly EditorState[];
  now: EditorState;
  future: readonly EditorState[];
  /** What the newest change was about: typing on in the same place is one change. */
  about: string | null;
  /** Counts undos and redos, after which fields must be drawn anew. */
  jumps: number;
}

export type TimelineEvent = EditorEvent | { type: "undo" } | { type: "redo" };

export function begin(state: EditorState): Timeline {
  return { past: [], now: state, future: [], about: null, jumps: 0 };
}

export function travel(timeline: Timeline, event: TimelineEvent): Timeline {
  const { past, now, future, jumps } = timeline;
  if (event.type === "undo") {
    const before = past.at(-1);
    if (!before) return timeline;
    return { past: past.slice(0, -1), now: before, future: [now, ...future], about: null, jumps: jumps + 1 };
  }
  if (event.type === "redo") {
    const [after, ...rest] = future;
    if (!after) return timeline;
    return { past: [...past, now], now: after, future: rest, about: null, jumps: jumps + 1 };
  }
  const next = edit(now, event);
  if (same(next, now)) return { ...timeline, now: next };
  const about = place(event);
  const goesOn = about !== null && about === timeline.about;
  return { past: goesOn ? past : [...past, now].slice(-MOST), now: next, future: [], about, jumps };
}

function same(one: EditorState, other: EditorState): boolean {
  return (
    one.name === other.name &&
    one.draft?.text === other.draft?.text &&
    (one.spec === other.spec || JSON.stringify(one.spec) === JSON.stringify(other.spec))
  );
}

/** Where a change was typed; null for what is a change of its own. */
function place(event: EditorEvent): string | null {
  if (event.type === "step") return `step ${event.index}`;
  return event.type === "name" || event.type === "json" ? event.type : null;
}
