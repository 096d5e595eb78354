/** Rows of a text result one after another, read by ranges straight from the storage. Loaded when it is wanted. */
import { m } from "./messages";

export interface TextFile {
  url: string;
  sizeBytes: number;
}

/** How our sink wrote the files: RFC 4180 with this delimiter, or null for plain lines. */
export interface TextDialect {
  delimiter: string | null;
  header: boolean;
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

async function range({ url }: TextFile, first: number, last: number): Promise<Uint8Array> {
  const response = await fetch(url, { headers: { range: `bytes=${first}-${last - 1}` } });
  if (response.status !== 206) throw new Error(m.storageAnswered({ status: response.status }));
  return new Uint8Array(await response.arrayBuffer());
}

/** Read up to `count` rows from a place on; `next` is where the following row begins, null at the end of all files. */
export async function readRows(
  files: readonly TextFile[],
  { delimiter, header }: TextDialect,
  from: Place,
  count: number,
): Promise<{ rows: TextRow[]; next: Place | null }> {
  const rows: TextRow[] = [];
  let { file, offset } = from;
  let size = CHUNK;
  while (rows.length < count) {
    const source = files[file];
    if (!source) return { rows, next: null };
    if (offset >= source.sizeBytes) {
      file += 1;
      offset = 0;
      continue;
    }
    const last = Math.min(offset + size, source.sizeBytes);
    const names = header && offset === 0 ? 1 : 0;
    const piece = await range(source, offset, last);
    const cut = cutRows(piece, delimiter, count - rows.length + names, last === source.sizeBytes);
    rows.push(...cut.rows.slice(names));
    offset += cut.end;
    if (cut.end === 0) size *= 4;
    if (size > LONGEST) throw new Error(m.nextRowIsTooLong);
  }
  return { rows, next: { file, offset } };
}
