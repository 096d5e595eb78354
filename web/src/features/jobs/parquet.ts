/** Rows of a Parquet result from anywhere in it, read by ranges straight from the storage. Loaded when it is wanted. */
import { decompress } from "fzstd";
import {
  type AsyncBuffer,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
  parquetSchema,
  type SchemaElement,
  toJson,
} from "hyparquet";
import { m } from "./messages";
import { dateText, decimalText, timestampText } from "./values";

export interface ParquetFile {
  url: string;
  sizeBytes: number;
  rows: number;
}

/** What our sink writes beside plain and Snappy, which hyparquet reads by itself. */
const compressors: Compressors = { ZSTD: (input, length) => decompress(input, new Uint8Array(length)) };

type Cell = (value: unknown) => unknown;

/** A file opened once: its footer is kept. */
interface Opened {
  file: AsyncBuffer;
  metadata: FileMetaData;
  cells: Cell[];
}

const PARSERS = {
  dateFromDays: dateText,
  timestampFromMilliseconds: (value: bigint) => timestampText(value, 3),
  timestampFromMicroseconds: (value: bigint) => timestampText(value, 6),
  timestampFromNanoseconds: (value: bigint) => timestampText(value, 9),
};

function remote({ url, sizeBytes }: ParquetFile): AsyncBuffer {
  return {
    byteLength: sizeBytes,
    async slice(start, end = sizeBytes) {
      const response = await fetch(url, { headers: { range: `bytes=${start}-${end - 1}` } });
      if (response.status !== 206) throw new Error(m.storageAnswered({ status: response.status }));
      return response.arrayBuffer();
    },
  };
}

const isDecimal = (element: SchemaElement) =>
  element.converted_type === "DECIMAL" || element.logical_type?.type === "DECIMAL";

/** How values of a column are shown. Decimals come as their whole numbers: as floats they would lose digits. */
function cellOf(element: SchemaElement, zoned: boolean): Cell {
  if (isDecimal(element)) return (value) => (value == null ? null : decimalText(value, element.scale ?? 0));
  return (value) => {
    if (value == null) return null;
    if (typeof value === "bigint") return String(value);
    if (zoned && typeof value === "string") return `${value}Z`;
    return typeof value === "object" ? toJson(value) : value;
  };
}

async function open(file: ParquetFile): Promise<Opened> {
  const buffer = remote(file);
  const metadata = await parquetMetadataAsync(buffer, { parsers: PARSERS });
  const columns = parquetSchema(metadata).children.map((child) => child.element);
  const cells = columns.map((element) => {
    const type = element.logical_type;
    return cellOf({ ...element }, type?.type === "TIMESTAMP" && type.isAdjustedToUTC);
  });
  const plain = new Map(
    columns.filter(isDecimal).map((element) => {
      const { converted_type: _, logical_type: __, ...rest } = element;
      return [element, rest as SchemaElement];
    }),
  );
  const schema = metadata.schema.map((element) => plain.get(element) ?? element);
  return { file: buffer, metadata: { ...metadata, schema }, cells };
}

/** Read rows `[start, end)` of all files one after another. */
export function parquetReader(files: readonly ParquetFile[]): (start: number, end: number) => Promise<unknown[][]> {
  const opened = new Map<ParquetFile, Promise<Opened>>();
  const openOnce = (file: ParquetFile) => {
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
      if (from < to) {
        const { cells, ...source } = await openOnce(file);
        await parquetRead({
          ...source,
          rowStart: from,
          rowEnd: to,
          compressors,
          parsers: PARSERS,
          useOffsetIndex: true,
          onComplete: (read) => {
            for (const row of read) rows.push(row.map((value, index) => cells[index]?.(value) ?? null));
          },
        });
      }
      first += file.rows;
    }
    return rows;
  };
}
