// Import rules: app → features → {components, lib, gql}; features never import each other; components and lib
// import neither features nor app.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

const src = fileURLToPath(new URL("../src", import.meta.url));
const ALLOWED = {
  app: ["app", "features", "components", "lib", "gql"],
  features: ["components", "lib", "gql"],
  components: ["components", "lib"],
  lib: ["lib", "gql"],
  gql: ["gql"],
};

/** Layer of a path below src, and for features which one: `features/jobs`. */
function place(path) {
  const [layer, name] = path.split(sep);
  return { layer, feature: layer === "features" ? name : null };
}

const findings = [];
for (const path of readdirSync(src, { recursive: true })) {
  if (!/\.tsx?$/.test(path)) continue;
  const from = place(path);
  if (!(from.layer in ALLOWED)) findings.push(`${path}: src has no layer ${from.layer}`);
  for (const [, target] of readFileSync(join(src, path), "utf8").matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)) {
    const inside = target.startsWith("@/")
      ? target.slice(2)
      : target.startsWith(".") && relative(src, join(src, dirname(path), target));
    if (!inside) continue;
    const to = place(inside.split("/").join(sep));
    const sameFeature = from.feature !== null && from.feature === to.feature;
    if (!sameFeature && !(ALLOWED[from.layer] ?? []).includes(to.layer)) {
      findings.push(`${path}: ${from.feature ?? from.layer} must not import ${to.feature ?? to.layer} (${target})`);
    }
  }
}
for (const finding of findings) console.error(finding);
process.exit(findings.length > 0 ? 1 : 0);
