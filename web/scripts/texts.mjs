// What people read stands in the catalogues (`messages.ts` of each feature), where it can be translated: no text in the
// code, none read before there is a reader, none that nobody shows. Part of `npm run lint`; docs/translating.md.
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "vite";

/** Two letters beside each other; digits, signs and units of one letter are no text. */
const LETTERS = /\p{L}{2}/u;
/** A sentence or a title: words with spaces, a capital in front. Class names, codes and SQL look otherwise. */
const PROSE = /^\s*[^\p{L}]*\p{Lu}[\p{Ll}-]+([ ,:.…?!’“”]|$)|^[^=<>()*_/{}[\]#.-]*\p{Ll} \p{Ll}+ [^=<>()*_/{}[\]#-]*$/u;
/** Attributes of elements and of our components that are shown or heard. */
const SHOWN = new Set(
  ["add", "alt", "aria-label", "aria-valuetext", "caption", "hint", "label", "legend", "note", "placeholder"].concat([
    "question",
    "start",
    "text",
    "title",
    "what",
  ]),
);
/** What is the same in every language. */
const NAME = "Karyaksham";
/** Stands before a line with a string that looks like a text and is none, with the reason. */
const EXCEPTION = "// no text: ";
/** Signs that stand in code and in no text: an example of an expression, of an address, a key with Ctrl. */
const CODE = /[=<>()*_/+]/;

/** A child of a node, with the places where it may hide. */
function children(node) {
  return Object.entries(node)
    .filter(([name, value]) => name !== "parent" && typeof value === "object" && value !== null)
    .flatMap(([, value]) => value)
    .filter((each) => typeof each?.type === "string");
}

const attribute = (element, name) =>
  element.openingElement?.attributes.find((each) => each.name?.name === name)?.value?.value;

const inFunction = (above) => above.some(({ type }) => /Function|^PropertyDefinition$/.test(type));

/** What a string or a template says by itself, or null for something else. */
function literal(node) {
  if (node.type === "Literal" && typeof node.value === "string") return node.value;
  return node.type === "TemplateLiteral" ? node.quasis.map(({ value }) => value.cooked).join("0") : null;
}

/** Whether a string stands where it is shown or heard, as it is or as one of two. */
function rendered(above) {
  const place = above.findLastIndex(({ type }) => !/^(Conditional|Logical)Expression$/.test(type));
  if (above[place]?.type !== "JSXExpressionContainer") return false;
  const around = above[place - 1];
  return around.type === "JSXAttribute" ? SHOWN.has(around.name.name) : true;
}

/** Whether a string is one that a program reads: a class, a key, an error for developers. */
function technical(above) {
  const parent = above.at(-1);
  if (/^(Import|Export|TS)/.test(parent.type) && !/^TS(As|Satisfies|NonNull)/.test(parent.type)) return true;
  if (parent.type === "NewExpression") return /^(Error|RegExp)$/.test(parent.callee.name);
  if (/^(BinaryExpression|SwitchCase|PropertyDefinition)$/.test(parent.type)) return true;
  if (parent.type === "Property" && parent.key.name === "authorization") return true;
  const place = above.findLast(({ type }) => type === "JSXAttribute" || type === "CallExpression");
  if (place?.type === "JSXAttribute") return !SHOWN.has(place.name.name);
  return /^(classes|buttonClass|page|matchMedia|includes|endsWith)$/.test(
    place?.callee.name ?? place?.callee.property?.name ?? "",
  );
}

/** Findings in one module, as `line: what`. */
export function texts(path, code) {
  const { program, errors } = parseSync(path, code, { lang: path.endsWith("x") ? "tsx" : "ts" });
  if (errors.length > 0) return [`0: ${errors[0].message}`];
  const found = [];
  const lines = code.split("\n");
  const report = (node, what) => {
    const line = code.slice(0, node.start).split("\n").length;
    if (!lines[line - 2]?.includes(EXCEPTION)) found.push(`${line}: ${what}`);
  };
  const visit = (node, above) => {
    const untranslated = [...above, node].some(
      (each) => each.type === "JSXElement" && attribute(each, "translate") === "no",
    );
    if (node.type === "JSXText") {
      if (LETTERS.test(node.value.replace(NAME, "")) && !untranslated)
        report(node, `text in the code: ${node.value.trim()}`);
      return;
    }
    const parent = above.at(-1);
    if (node.type === "Literal" && parent?.type === "JSXAttribute") {
      const text = String(node.value);
      if (SHOWN.has(parent.name.name) && /\p{Lu}|\p{L} \p{L}/u.test(text) && LETTERS.test(text) && !CODE.test(text))
        report(node, `text in the code: ${parent.name.name}="${text}"`);
      return;
    }
    const said = above.length > 0 ? literal(node)?.replace(NAME, "") : null;
    if (said && !untranslated && (rendered(above) ? LETTERS.test(said) : PROSE.test(said) && !technical(above)))
      report(node, `text in the code: ${said}`);
    if (node.type === "MemberExpression" && node.object.name === "m" && !inFunction(above))
      report(node, `m.${node.property.name} is read before there is a reader: make it a function`);
    for (const each of children(node)) visit(each, [...above, node]);
  };
  visit(program, []);
  return found;
}

/** The texts of a catalogue, from its source. */
export function catalogue(path, code) {
  const { program } = parseSync(path, code, { lang: "ts" });
  const call = program.body.map((each) => each.declaration?.declarations?.[0]?.init).find((each) => each?.arguments);
  const [feature, english] = call.arguments;
  const value = (node) =>
    node.type === "ObjectExpression"
      ? Object.fromEntries(node.properties.map(({ key, value: inner }) => [key.name, value(inner)]))
      : node.value;
  return { feature: feature.value, texts: value(english) };
}

/** Keys of a catalogue that none of these modules has: as `m.key`, or in quotes where one is chosen by name. */
export function unused(keys, modules) {
  const code = modules.join("\n");
  return keys.filter((key) => !new RegExp(`\\bm\\.${key}\\b|"${key}"`).test(code));
}

/** All modules of the application: path below `src` and code. */
export function modules() {
  const src = fileURLToPath(new URL("../src", import.meta.url));
  return readdirSync(src, { recursive: true })
    .filter((path) => /\.tsx?$/.test(path) && !/\.test\.tsx?$/.test(path) && !path.startsWith(`gql${sep}`))
    .sort()
    .map((path) => ({ path, code: readFileSync(join(src, path), "utf8") }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const all = modules();
  const isCatalogue = ({ path }) => basename(path) === "messages.ts";
  const findings = all
    .filter((each) => !isCatalogue(each) && !each.path.startsWith(join("app", "translations")))
    .flatMap(({ path, code }) => texts(path, code).map((finding) => `src/${path}:${finding}`));
  for (const { path, code } of all.filter(isCatalogue)) {
    const folder = dirname(path) + sep;
    const beside = all.filter((each) => each.path.startsWith(folder) && !isCatalogue(each)).map((each) => each.code);
    const idle = unused(Object.keys(catalogue(path, code).texts), beside);
    findings.push(...idle.map((key) => `src/${path}: nobody shows ${key}`));
  }
  for (const finding of findings) console.error(finding);
  process.exit(findings.length > 0 ? 1 : 0);
}
