import { describe, expect, it } from "vitest";
import { edit, startState } from "./editor-state";
import { kindOf } from "./spec";

const two = () => edit(edit(startState("p"), { type: "add", kind: "filter" }), { type: "add", kind: "sort" });
const kinds = (state: ReturnType<typeof two>) => state.spec.steps.map(kindOf);

describe("editor", () => {
  it("moves a step with its key", () => {
    const before = two();
    const after = edit(before, { type: "move", index: 1, by: -1 });
    expect(kinds(after)).toEqual(["sort", "filter"]);
    expect(after.keys).toEqual([...before.keys].reverse());
  });
  it("does not move past the ends", () => {
    const state = two();
    expect(edit(state, { type: "move", index: 0, by: -1 })).toBe(state);
    expect(edit(state, { type: "move", index: 1, by: 1 })).toBe(state);
  });
  it("never gives a key twice, so that no form shows another step's values", () => {
    const state = edit(edit(two(), { type: "remove", index: 0 }), { type: "add", kind: "limit" });
    expect(kinds(state)).toEqual(["sort", "limit"]);
    expect(new Set(state.keys).size).toBe(2);
  });
  it("keeps the last good specification while the JSON is broken", () => {
    const broken = edit(two(), { type: "json", text: "{" });
    expect(kinds(broken)).toEqual(["filter", "sort"]);
    expect(broken.draft?.text).toBe("{");
    const mended = edit(broken, { type: "json", text: '{"version":1,"steps":[{"limit":{"rows":1}}]}' });
    expect([kinds(mended), mended.draft]).toEqual([["limit"], null]);
  });
});
