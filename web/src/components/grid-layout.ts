/** Widths of a grid's columns, before anything is drawn. Pure. */
import { cell } from "@/lib/format";

/** Rows that are looked at, and pixels: of a character of a value and of a name, of the padding, least and most of a column. */
const SAMPLE = 60;
const CHARACTER = 8.6;
const BOLD = 9.6;
const PADDING = 30;
const LEAST = 72;
const MOST = 384;

/** Pixels for each column: as wide as its name and some of its values, from the first row to the last, need, within bounds. */
export function widths(columns: readonly string[], rows: readonly (readonly unknown[])[]): number[] {
  const apart = Math.max((rows.length - 1) / (SAMPLE - 1), 1);
  const some = Array.from({ length: Math.min(rows.length, SAMPLE) }, (_, index) => rows[Math.round(index * apart)]);
  return columns.map((name, index) => {
    let longest = 0;
    for (const row of some) {
      const value = row?.[index];
      longest = Math.max(longest, value == null ? 4 : cell(value).length);
    }
    const needed = Math.max(longest * CHARACTER, name.length * BOLD) + PADDING;
    return Math.round(Math.min(Math.max(needed, LEAST), MOST));
  });
}

/** Widths that fill what is there: the last column takes what is left over. */
export function fill(given: readonly number[], available: number): number[] {
  const sum = given.reduce((total, width) => total + width, 0);
  return given.map((width, index) => (index === given.length - 1 ? width + Math.max(available - sum, 0) : width));
}
