/** Which results can be read by ranges, and how. Pure. */
import type { ParquetFile } from "./parquet";
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

/** The files of a Parquet result; null of another one. */
export function parquetFiles(files: readonly File[]): ParquetFile[] | null {
  if (files.length === 0 || !files.every((file) => file.format === "parquet" && file.rows !== null && whole(file)))
    return null;
  return files.map(({ url, sizeBytes, rows }) => ({ url, sizeBytes, rows: rows ?? 0 }));
}

/** The files of a result in plain text, and how they were written; null of another one, and of compressed text. */
export function textOf(files: readonly File[], output: unknown): { files: TextFile[]; dialect: TextDialect } | null {
  const format = files[0]?.format;
  if (format !== "csv" && format !== "tsv" && format !== "lines") return null;
  const { compression, delimiter, header } = (output ?? {}) as Record<string, unknown>;
  if (!files.every(whole) || (typeof compression === "string" && compression !== "none")) return null;
  const usual = format === "tsv" ? "\t" : ",";
  const dialect = {
    delimiter: format === "lines" ? null : typeof delimiter === "string" ? delimiter : usual,
    header: format !== "lines" && header !== false,
  };
  return { files: files.map(({ url, sizeBytes }) => ({ url, sizeBytes })), dialect };
}
