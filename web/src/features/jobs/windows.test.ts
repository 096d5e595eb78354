import { describe, expect, it } from "vitest";
import { KEPT, WINDOW, Windows } from "./windows";

const settled = () => new Promise((resolve) => setTimeout(resolve));

function reading(rows: number) {
  const reads: [number, number][] = [];
  const open: (() => void)[] = [];
  const told: (Error | null)[] = [];
  const windows = new Windows(
    rows,
    (start, end) => {
      reads.push([start, end]);
      return new Promise((resolve, reject) => {
        open.push(() =>
          start === 9 * WINDOW
            ? reject(new Error("gone"))
            : resolve(Array.from({ length: end - start }, (_, index) => [start + index])),
        );
      });
    },
    (error) => told.push(error),
  );
  const answer = async () => {
    for (let rounds = 0; open.length > 0 && rounds < 1000; rounds += 1) {
      for (const each of open.splice(0)) each();
      await settled();
    }
  };
  return { windows, reads, told, answer };
}

describe("Windows", () => {
  it("reads what is in sight, once, and the last window as far as it goes", async () => {
    const { windows, reads, answer } = reading(WINDOW + 10);
    windows.want(0, 20);
    windows.want(5, 25);
    await answer();
    windows.want(WINDOW - 5, WINDOW + 100);
    await answer();
    expect(reads).toEqual([
      [0, WINDOW],
      [WINDOW, WINDOW + 10],
    ]);
    expect([windows.row(3), windows.row(WINDOW + 9), windows.row(WINDOW + 10)]).toEqual([[3], [WINDOW + 9], undefined]);
  });
  it("does not read what was scrolled past", async () => {
    const { windows, reads, answer } = reading(100 * WINDOW);
    for (let at = 0; at < 50; at += 1) windows.want(at * WINDOW, at * WINDOW + 10);
    await answer();
    expect(reads.map(([start]) => start / WINDOW)).toEqual([0, 1, 49]);
    expect(windows.row(49 * WINDOW)).toEqual([49 * WINDOW]);
  });
  it("forgets the windows that were seen longest ago", async () => {
    const { windows, answer } = reading(1000 * WINDOW);
    for (let at = 0; at <= KEPT; at += 1) {
      const place = (at < 9 ? at : at + 1) * WINDOW;
      windows.want(place, place + 10);
      await answer();
      windows.want(0, 10);
    }
    expect(windows.row(0)).toEqual([0]);
    expect(windows.row(WINDOW)).toBeUndefined();
    expect(windows.row(2 * WINDOW)).toEqual([2 * WINDOW]);
  });
  it("tells of an error, and tries again when asked again", async () => {
    const { windows, reads, told, answer } = reading(100 * WINDOW);
    windows.want(9 * WINDOW, 9 * WINDOW);
    await answer();
    expect(told.map((error) => error?.message)).toEqual(["gone"]);
    windows.want(9 * WINDOW, 9 * WINDOW);
    await answer();
    expect(reads).toHaveLength(2);
  });
});
