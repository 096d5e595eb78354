import { describe, expect, it } from "vitest";
import { startState } from "./editor-state";
import { kindOf } from "./spec";
import { begin, MOST, type Timeline, type TimelineEvent, travel } from "./timeline";

const run = (...events: TimelineEvent[]) => events.reduce(travel, begin(startState("p")));
const kinds = (timeline: Timeline) => timeline.now.spec.steps.map(kindOf);
const add = (kind: string): TimelineEvent => ({ type: "add", kind });
const type = (where: string, index = 0): TimelineEvent => ({ type: "step", index, step: { filter: { where } } });
const undo: TimelineEvent = { type: "undo" };
const redo: TimelineEvent = { type: "redo" };

describe("travel", () => {
  it("goes back and forth", () => {
    expect(kinds(run(add("filter"), add("sort"), undo))).toEqual(["filter"]);
    expect(kinds(run(add("filter"), add("sort"), undo, undo))).toEqual([]);
    expect(kinds(run(add("filter"), add("sort"), undo, undo, redo, redo))).toEqual(["filter", "sort"]);
  });
  it("stays where there is nothing more", () => {
    expect(run(undo)).toEqual(begin(startState("p")));
    expect(kinds(run(add("filter"), redo))).toEqual(["filter"]);
  });
  it("takes typing in one place for one change", () => {
    const typed = run(add("filter"), type("a"), type("a >"), type("a > 1"));
    expect(travel(typed, undo).now.spec.steps).toEqual([{ filter: { where: "" } }]);
    const two = run(add("filter"), add("filter"), type("a"), type("b", 1));
    expect(travel(two, undo).now.spec.steps).toEqual([{ filter: { where: "a" } }, { filter: { where: "" } }]);
  });
  it("begins a new change after a jump", () => {
    const again = run(add("filter"), type("a"), undo, type("b"), undo);
    expect(again.now.spec.steps).toEqual([{ filter: { where: "" } }]);
  });
  it("forgets what was undone once something else is done", () => {
    const timeline = run(add("filter"), undo, add("sort"));
    expect([timeline.future, kinds(travel(timeline, redo))]).toEqual([[], ["sort"]]);
  });
  it("does not count what changes nothing", () => {
    expect(run({ type: "name", name: "p" }).past).toEqual([]);
  });
  it("restores a broken JSON text and a deleted step with its key", () => {
    const broken = run(add("filter"), { type: "json", text: "{" }, undo);
    expect([broken.now.draft, kinds(broken)]).toEqual([null, ["filter"]]);
    const first = run(add("filter"), add("sort"));
    const back = travel(travel(first, { type: "remove", index: 0 }), undo);
    expect(back.now.keys).toEqual(first.now.keys);
  });
  it("keeps a bounded past", () => {
    let timeline = begin(startState("p"));
    for (let count = 0; count < MOST + 10; count += 1) timeline = travel(timeline, add("limit"));
    expect(timeline.past.length).toBe(MOST);
  });
});
