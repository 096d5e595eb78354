/** Which results can be read in place, and how. Pure. */
import type { Packing } from "./packed";
import type { RowFile } from "./ranges";
import type { TextDialect, TextFile } from "./text-rows";

interface File {
  name: string;
  format: string;
  url: string;
  sizeBytes: number;
  rows: number | null;
}

/** Columns in folders' names (`partitionBy`) stand in no file. */
const whole = ({ name }: File) => !name.includes("/");

export interface Rows {
  format: "parquet" | "arrow";
  files: RowFile[];
}

/** The files of a result whose rows can be read from anywhere, Parquet or Arrow; null of another one. */
export function rowFiles(files: readonly File[]): Rows | null {
  const format = files[0]?.format;
  if (format !== "parquet" && format !== "arrow") return null;
  if (!files.every((file) => file.format === format && file.rows !== null && whole(file))) return null;
  return { format, files: files.map(({ url, sizeBytes, rows }) => ({ url, sizeBytes, rows: rows ?? 0 })) };
}

export interface Text {
  files: TextFile[];
  dialect: TextDialect;
  /** What they are packed with; null is plain text. */
  packing: Packing | null;
}

/** The files of a text result, and how they were written; null of another one. */
export function textOf(files: readonly File[], output: unknown): Text | null {
  const format = files[0]?.format;
  if (format !== "csv" && format !== "tsv" && format !== "lines" && format !== "ndjson") return null;
  const { compression = "none", delimiter, header } = (output ?? {}) as Record<string, unknown>;
  const packing = compression === "gzip" || compression === "zstd" ? compression : null;
  if (!files.every(whole) || (packing === null && compression !== "none")) return null;
  const lines = format === "lines" || format === "ndjson";
  const usual = format === "tsv" ? "\t" : ",";
  const dialect = {
    delimiter: lines ? null : typeof delimiter === "string" ? delimiter : usual,
    header: !lines && header !== false,
    json: format === "ndjson",
  };
  return { files: files.map(({ url, sizeBytes }) => ({ url, sizeBytes })), dialect, packing };
}
