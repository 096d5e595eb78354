/** The lines around a place in a text file, cut out of a piece of it. Pure. */

export interface Line {
  /** Counted from 1 in the whole file. */
  number: number;
  text: string;
  /** Whether it begins at the place that was asked for. */
  meant: boolean;
}

/** Bytes read before and from the place. */
export const BEFORE = 2_000;
export const AFTER = 8_000;
/** Lines shown on each side of the one that is meant, and characters of each. */
const CONTEXT = 2;
const LONGEST = 1_000;

/** The byte range to read for a place: first and last byte, the last included. */
export function rangeAround(offset: number): [number, number] {
  return [Math.max(offset - BEFORE, 0), offset + AFTER - 1];
}

/**
 * Lines of `piece`, which begins at byte `start` of the file. The line at byte `offset` has the number `row`. A first
 * line that began before the piece is left out; so is a last one that the piece may cut (`whole`: it reaches the end).
 */
export function linesAround(piece: Uint8Array, start: number, offset: number, row: number, whole: boolean): Line[] {
  const decoder = new TextDecoder();
  const at = offset - start;
  if (at < 0 || at >= piece.length) return [];
  const before = decoder.decode(piece.subarray(0, at)).split(/\r?\n/);
  const rest = decoder.decode(piece.subarray(at)).split(/\r?\n/);
  if (before.at(-1) === "") before.pop();
  if (start > 0) before.shift();
  if (whole ? rest.at(-1) === "" : rest.length > 1) rest.pop();
  const line = (text: string, number: number): Line => ({
    number,
    text: text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text,
    meant: number === row,
  });
  const shown = before.slice(-CONTEXT);
  return [
    ...shown.map((text, index) => line(text, row - shown.length + index)),
    ...rest.slice(0, CONTEXT + 1).map((text, index) => line(text, row + index)),
  ];
}
