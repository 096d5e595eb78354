/** Rows of something long, read window by window as they come into sight. */
import type { ReadRows } from "./ranges";

/** Rows of a window, and windows kept. */
export const WINDOW = 500;
export const KEPT = 40;

export class Windows {
  private readonly kept = new Map<number, unknown[][]>();
  private readonly asked = new Set<number>();
  private wanted: number[] = [];

  constructor(
    private readonly rows: number,
    private readonly read: ReadRows,
    private readonly changed: (error: Error | null) => void,
  ) {}

  /** A row, as far as it is there. */
  row(index: number): unknown[] | undefined {
    return this.kept.get(Math.floor(index / WINDOW))?.[index % WINDOW];
  }

  /** These rows are in sight: what is not there of them is read, what was passed by meanwhile no more. */
  want(first: number, last: number): void {
    const from = Math.floor(Math.max(first, 0) / WINDOW);
    const to = Math.floor(Math.min(last, this.rows - 1) / WINDOW);
    this.wanted = Array.from({ length: Math.max(to - from + 1, 0) }, (_, index) => from + index);
    for (const number of this.wanted) this.touch(number);
    this.next();
  }

  /** Two at once: scrolling far asks for much that nobody stops at. */
  private next(): void {
    for (const number of this.wanted) {
      if (this.asked.size >= 2) return;
      if (!this.kept.has(number) && !this.asked.has(number)) void this.load(number);
    }
  }

  private async load(number: number): Promise<void> {
    this.asked.add(number);
    try {
      const end = Math.min((number + 1) * WINDOW, this.rows);
      this.kept.set(number, await this.read(number * WINDOW, end));
      const oldest = this.kept.keys().next();
      if (this.kept.size > KEPT && !oldest.done) this.kept.delete(oldest.value);
      this.changed(null);
    } catch (error) {
      // not at once again: the next scroll asks anew
      this.wanted = [];
      this.changed(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.asked.delete(number);
      this.next();
    }
  }

  /** The most recently seen stay longest. */
  private touch(number: number): void {
    const rows = this.kept.get(number);
    if (!rows) return;
    this.kept.delete(number);
    this.kept.set(number, rows);
  }
}
