/** How a result is written, as the specification says it: which settings go with which format. Pure. */

export type Output = Record<string, unknown>;

const COMPRESSIONS: Record<string, readonly string[]> = {
  parquet: ["zstd", "snappy", "lz4", "gzip", "none"],
  // the engine writes it as it is
  arrow: ["none"],
};
const OF_TEXT = ["none", "gzip", "zstd"];
/** What only some formats have. */
const ONLY: Record<string, readonly string[]> = {
  delimiter: ["csv"],
  header: ["csv", "tsv"],
  escapeFormulas: ["csv", "tsv"],
};

export const formatOf = (output: Output): string => String(output.format ?? "parquet");

/** What a format can be compressed with; the first is what it is without a word. */
export function compressionsOf(format: string): readonly string[] {
  return COMPRESSIONS[format] ?? OF_TEXT;
}

export const hasHeader = (format: string): boolean => ONLY.header?.includes(format) ?? false;
export const hasFormulas = (format: string): boolean => ONLY.escapeFormulas?.includes(format) ?? false;

/** The output with these settings; one that is undefined goes. */
export function withSettings(output: Output, changes: Output): Output {
  return Object.fromEntries(Object.entries({ ...output, ...changes }).filter(([, each]) => each !== undefined));
}

/** The output in another format: what it cannot have goes, the rest stays. */
export function withFormat(output: Output, format: string): Output {
  const fits = compressionsOf(format).includes(String(output.compression));
  const changes: Output = { format, ...(!fits && { compression: undefined, level: undefined }) };
  for (const [name, formats] of Object.entries(ONLY)) if (!formats.includes(format)) changes[name] = undefined;
  return withSettings(output, changes);
}
