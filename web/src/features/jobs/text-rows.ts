/** Rows of a text result one after another, straight from the storage. Loaded when it is wanted. */
import { m } from "./messages";
import { range } from "./ranges";

export interface TextFile {
  url: string;
  sizeBytes: number;
}

/** Where bytes `[first, last)` of a text come from; fewer where it ends before. `end`: there is nothing behind them. */
export interface Source {
  read(first: number, last: number): Promise<{ piece: Uint8Array; end: boolean }>;
}

/** How our sink wrote the files: RFC 4180 with this delimiter, or null for plain lines, each of which may be JSON. */
export interface TextDialect {
  delimiter: string | null;
  header: boolean;
  json: boolean;
}

export type TextRow = (string | null)[];

/** Where a row begins: the file's place in the list and the byte in it. */
export interface Place {
  file: number;
  offset: number;
}

/** Bytes of a first read, and of a row that nobody can look at any more. */
const CHUNK = 1_000_000;
const LONGEST = 64_000_000;
const [QUOTE, NEWLINE, RETURN] = [0x22, 0x0a, 0x0d];
const decoder = new TextDecoder();

/**
 * Up to `limit` rows from the beginning of a piece of text, and the byte behind the last of them. A row that the piece cuts
 * off is left out unless the piece is `whole`. As the sink writes, an empty field is null and `""` is the empty text. Pure.
 */
export function cutRows(
  piece: Uint8Array,
  delimiter: string | null,
  limit: number,
  whole: boolean,
): { rows: TextRow[]; end: number } {
  const rows: TextRow[] = [];
  const split = delimiter === null ? -1 : delimiter.charCodeAt(0);
  let row: TextRow = [];
  let [start, end, quotes] = [0, 0, 0];
  const field = (stop: number) => {
    if (quotes === 0) {
      const text = decoder.decode(piece.subarray(start, stop));
      row.push(text === "" && delimiter !== null ? null : text);
    } else row.push(decoder.decode(piece.subarray(start + 1, stop - 1)).replaceAll('""', '"'));
    quotes = 0;
  };
  const finish = (stop: number) => {
    // a line end of two characters belongs to no field
    field(piece[stop - 1] === RETURN && stop > start ? stop - 1 : stop);
    rows.push(row);
    row = [];
  };
  for (let index = 0; index < piece.length && rows.length < limit; index += 1) {
    const byte = piece[index];
    // a quote opens a field at its beginning only; inside of one, an odd number of them so far means: still inside
    if (byte === QUOTE && delimiter !== null && (quotes > 0 || index === start)) quotes += 1;
    else if (quotes % 2 === 1) continue;
    else if (byte === split) {
      field(index);
      start = index + 1;
    } else if (byte === NEWLINE) {
      finish(index);
      start = index + 1;
      end = start;
    }
  }
  if (whole && rows.length < limit && end < piece.length) {
    finish(piece.length);
    end = piece.length;
  }
  return { rows, end };
}

/** A file in plain text, read by ranges. */
export function plain({ url, sizeBytes }: TextFile): Source {
  return {
    read: async (first, last) => {
      const end = Math.min(last, sizeBytes);
      const piece = first < end ? await range(url, first, end) : new Uint8Array(0);
      return { piece, end: end === sizeBytes };
    },
  };
}

/** Read up to `count` rows from a place on; `next` is where the following row begins, null at the end of all files. */
export async function readRows(
  sources: readonly Source[],
  { delimiter, header }: TextDialect,
  from: Place,
  count: number,
): Promise<{ rows: TextRow[]; next: Place | null }> {
  const rows: TextRow[] = [];
  let { file, offset } = from;
  let size = CHUNK;
  while (rows.length < count) {
    const source = sources[file];
    if (!source) return { rows, next: null };
    const names = header && offset === 0 ? 1 : 0;
    const { piece, end } = await source.read(offset, offset + size);
    const cut = cutRows(piece, delimiter, count - rows.length + names, end);
    rows.push(...cut.rows.slice(names));
    offset += cut.end;
    if (end && cut.end === piece.length) [file, offset] = [file + 1, 0];
    else if (cut.end === 0) size *= 4;
    if (size > LONGEST) throw new Error(m.nextRowIsTooLong);
  }
  return { rows, next: { file, offset } };
}
