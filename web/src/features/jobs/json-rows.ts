/** Rows of an NDJSON result. Pure. */

/** Texts, signs, and everything else that stands between signs. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs;

/**
 * The fields of a line with one JSON object, in the order of these columns; null where there is none. Numbers and what is
 * nested stay as they are written: read as numbers, long ones would lose digits.
 */
export function fieldsOf(line: string, columns: readonly string[]): (string | null)[] {
  const fields = new Map<string, string | null>();
  let depth = 0;
  let name: string | null = null;
  let [start, last] = [-1, -1];
  const close = () => {
    if (name !== null && start >= 0) fields.set(name, value(line.slice(start, last)));
    [name, start] = [null, -1];
  };
  for (const { 0: token, index } of line.matchAll(TOKENS)) {
    const [opens, closes] = [token === "{" || token === "[", token === "}" || token === "]"];
    if (closes) depth -= 1;
    if (depth === 0 || (depth === 1 && token === ",")) close();
    else if (depth === 1 && name === null) name = text(token);
    else if (depth > 1 || token !== ":" || start >= 0) {
      if (start < 0) start = index;
      last = index + token.length;
    }
    if (opens) depth += 1;
  }
  return columns.map((column) => fields.get(column) ?? null);
}

function value(written: string): string | null {
  return written === "null" ? null : text(written);
}

/** What a JSON text says; anything else as it is written. */
function text(written: string): string {
  return written.startsWith('"') ? (JSON.parse(written) as string) : written;
}
