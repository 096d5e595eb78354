/** The rows of a CSV text as our sink writes it (RFC 4180); a row that is cut off at the end is left out. Pure. */
export function parseCsv(text: string, whole: boolean): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = "";
  let quoted = false;
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index];
    if (quoted) {
      if (char !== '"') field += char;
      else if (text[index + 1] === '"') {
        field += char;
        index += 1;
      } else quoted = false;
    } else if (char === '"' && field === "") quoted = true;
    else if (char === "," || char === "\n") {
      row.push(field);
      field = "";
      if (char === "\n") {
        rows.push(row);
        row = [];
      }
    } else if (char !== "\r" || text[index + 1] !== "\n") field += char;
  }
  if (whole && (row.length > 0 || field !== "")) rows.push([...row, field]);
  return rows;
}
