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
import { type ReadRows, type RowFile, range, readerOf } from "./ranges";
import { dateText, decimalText, timestampText } from "./values";

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

function remote({ url, sizeBytes }: RowFile): AsyncBuffer {
  return {
    byteLength: sizeBytes,
    slice: async (start, end = sizeBytes) => (await range(url, start, end)).buffer as ArrayBuffer,
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

async function open(file: RowFile): Promise<Opened> {
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
export function parquetReader(files: readonly RowFile[]): ReadRows {
  return readerOf(files, open, async ({ cells, ...source }, rowStart, rowEnd) => {
    const rows: unknown[][] = [];
    await parquetRead({
      ...source,
      rowStart,
      rowEnd,
      compressors,
      parsers: PARSERS,
      useOffsetIndex: true,
      onComplete: (read) => {
        for (const row of read) rows.push(row.map((value, index) => cells[index]?.(value) ?? null));
      },
    });
    return rows;
  });
}
