import { describe, expect, it } from "vitest";
import { mergePage } from "./paging";

const item = (id: string, value = 0) => ({ id, value });

describe("mergePage", () => {
  it("appends the next page", () => {
    expect(mergePage([item("3"), item("2")], [item("1")], false).map((each) => each.id)).toEqual(["3", "2", "1"]);
  });
  it("puts new items of a reloaded first page in front, in order, and never twice", () => {
    const merged = mergePage([item("2"), item("1")], [item("4"), item("3"), item("2", 9)], true);
    expect(merged).toEqual([item("4"), item("3"), item("2", 9), item("1")]);
  });
  it("drops what a reloaded first page no longer mentions, and keeps what lies behind it", () => {
    const list = [item("4"), item("3"), item("2"), item("1")];
    expect(mergePage(list, [item("4"), item("2")], true).map((each) => each.id)).toEqual(["4", "2", "1"]);
    expect(mergePage(list, [item("4"), item("2")], true, true).map((each) => each.id)).toEqual(["4", "2"]);
    expect(mergePage(list, [], true, true)).toEqual([]);
  });
  it("keeps what the page does not mention", () => expect(mergePage([item("1")], [], true)).toEqual([item("1")]));
});
