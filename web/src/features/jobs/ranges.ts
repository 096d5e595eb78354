/** Bytes of a file in the storage, by ranges of its link. */
import { m } from "./messages";

/** Bytes `[first, last)`. */
export async function range(url: string, first: number, last: number): Promise<Uint8Array> {
  const response = await fetch(url, { headers: { range: `bytes=${first}-${last - 1}` } });
  if (response.status !== 206) throw new Error(m.storageAnswered({ status: response.status }));
  return new Uint8Array(await response.arrayBuffer());
}

/** A file of a result whose rows can be read from anywhere in it. */
export interface RowFile {
  url: string;
  sizeBytes: number;
  rows: number;
}

/** Rows `[start, end)` of all files one after another. */
export type ReadRows = (start: number, end: number) => Promise<unknown[][]>;

/** Read several files as one; each is opened once, when it is first wanted. */
export function readerOf<Opened>(
  files: readonly RowFile[],
  open: (file: RowFile) => Promise<Opened>,
  read: (opened: Opened, from: number, to: number) => Promise<unknown[][]>,
): ReadRows {
  const opened = new Map<RowFile, Promise<Opened>>();
  const openOnce = (file: RowFile) => {
    const known = opened.get(file) ?? open(file);
    opened.set(file, known);
    known.catch(() => opened.delete(file));
    return known;
  };
  return async (start, end) => {
    const rows: unknown[][] = [];
    let first = 0;
    for (const file of files) {
      const from = Math.max(start - first, 0);
      const to = Math.min(end - first, file.rows);
      if (from < to) for (const row of await read(await openOnce(file), from, to)) rows.push(row);
      first += file.rows;
    }
    return rows;
  };
}
