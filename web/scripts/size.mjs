// Prints the gzip size of what the first page loads (entry, its static imports, its CSS) and fails above the budget.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const BUDGET = 250_000;
const out = fileURLToPath(new URL("../../graph/static", import.meta.url));
const manifest = JSON.parse(readFileSync(join(out, ".vite/manifest.json"), "utf8"));

const files = new Set();
function collect(key) {
  const chunk = manifest[key];
  if (!chunk || files.has(chunk.file)) return;
  files.add(chunk.file);
  for (const css of chunk.css ?? []) files.add(css);
  for (const each of chunk.imports ?? []) collect(each);
}
collect("index.html");

let total = 0;
for (const file of files) {
  const size = gzipSync(readFileSync(join(out, file))).length;
  total += size;
  console.log(`${String(size).padStart(8)}  ${file}`);
}
console.log(`${String(total).padStart(8)}  first load, gzip (budget ${BUDGET})`);
process.exit(total > BUDGET ? 1 : 0);
