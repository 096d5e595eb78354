import { describe, expect, it } from "vitest";
import { Store } from "./store";

describe("store", () => {
  it("tells its watchers until they leave", () => {
    const store = new Store(1);
    const seen: number[] = [];
    const leave = store.subscribe(() => seen.push(store.get()));
    store.set(2);
    leave();
    store.set(3);
    expect(seen).toEqual([2]);
  });
});
