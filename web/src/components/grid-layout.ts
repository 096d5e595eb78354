/** Widths of a grid's columns, before anything is drawn. Pure. */
import { cell } from "@/lib/format";

/** Rows that are looked at, and pixels: of a character, of the padding, least and most of a column. */
const SAMPLE = 50;
const CHARACTER = 8.5;
const PADDING = 28;
const LEAST = 72;
const MOST = 384;

/** Pixels for each column: as wide as its name and its first values need, within bounds. */
export function widths(columns: readonly string[], rows: readonly (readonly unknown[])[]): number[] {
  return columns.map((name, index) => {
    let longest = name.length;
    for (const row of rows.slice(0, SAMPLE)) {
      const value = row[index];
      longest = Math.max(longest, value == null ? 4 : cell(value).length);
    }
    return Math.round(Math.min(Math.max(longest * CHARACTER + PADDING, LEAST), MOST));
  });
}

/** Widths that fill what is there: the last column takes what is left over. */
export function fill(given: readonly number[], available: number): number[] {
  const sum = given.reduce((total, width) => total + width, 0);
  return given.map((width, index) => (index === given.length - 1 ? width + Math.max(available - sum, 0) : width));
}
