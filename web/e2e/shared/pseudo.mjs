// The application in its pseudo-locale, for drives that are written in English: the same walk through the same pages, with
// each text that a drive looks for translated by the catalogues; and what of a page stands in no catalogue.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { transformWithOxc } from "vite";
import { catalogue, modules } from "../../scripts/texts.mjs";

const source = new URL("../../src/lib/pseudo.ts", import.meta.url);
const { code } = await transformWithOxc(readFileSync(source, "utf8"), "pseudo.ts");
/** The application's own: whatever it does, it is the same here. */
const { accented, isolated } = await import(`data:text/javascript,${encodeURIComponent(code)}`);

const HOLE = /\{(\w+)\}/;
const escaped = (text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
/** A pattern for a text with anything in its holes. */
const pattern = (text, hole) =>
  text
    .split(HOLE)
    .map((part, index) => (index % 2 === 0 ? escaped(part) : hole))
    .join("");

/** Every text of the application, each form of a plural by itself; of two that fit, the one that says more first. */
const TEXTS = modules()
  .filter(({ path }) => basename(path) === "messages.ts")
  .flatMap(({ path, code: english }) => Object.values(catalogue(path, english).texts))
  .flatMap((message) => (typeof message === "string" ? [message] : Object.values(message)))
  .filter((text) => /\p{L}{2}/u.test(text.replaceAll(/\{\w+\}/g, "")))
  .sort((one, other) => said(other) - said(one))
  .map((english) => ({ english, whole: new RegExp(`^${pattern(english, "(.+?)")}$`), foreign: accented(english) }));

function said(text) {
  return text.replaceAll(/\{\w+\}/g, "").length;
}

/** A pattern for what the application shows for an English text; null where it has none. A value may be a text too, or data. */
function translated(text) {
  const found = TEXTS.find(({ whole }) => whole.test(text));
  if (!found) return null;
  const names = found.english.split(HOLE).filter((_, index) => index % 2 === 1);
  const values = found.whole.exec(text).slice(1);
  const shown = (name) => isolated(either(values[names.indexOf(name)]));
  return found.foreign
    .split(HOLE)
    .map((part, index) => (index % 2 === 0 ? escaped(part) : shown(part)))
    .join("");
}

/** A pattern for a text as it is, or translated. */
function either(text) {
  const foreign = translated(text);
  return foreign === null ? escaped(text) : `(?:${escaped(text)}|${foreign})`;
}

/** What finds in the pseudo-locale what a text or a pattern finds in English. */
function sought(wanted, exact) {
  if (typeof wanted !== "string") {
    const fitting = TEXTS.filter(({ english }) => wanted.test(english));
    return union([wanted.source, ...fitting.map((each) => pattern(each.foreign, ".*"))], wanted.flags);
  }
  if (exact) return new RegExp(`^${either(wanted)}$`);
  const fitting = translated(wanted) ? [] : TEXTS.filter(({ english }) => english.includes(wanted));
  return union([either(wanted), ...fitting.map((each) => pattern(each.foreign, ".*"))]);
}

const union = (sources, flags = "") => new RegExp(sources.map((each) => `(?:${each})`).join("|"), flags);

const LOOKS = {
  getByText: (text, options) => [sought(text, options?.exact), {}],
  getByLabel: (text, options) => [sought(text, options?.exact), {}],
  getByRole: (role, options) => [
    role,
    options?.name ? { ...options, name: sought(options.name, options.exact) } : options,
  ],
  locator: (selector, options) => [selector, options?.hasText ? { hasText: sought(options.hasText) } : options],
};
const GO_ON = new Set([...Object.keys(LOOKS), "first", "last", "nth", "and"]);

/** A page, or a place in it, that is asked in English and shows the pseudo-locale. */
export function foreign(place) {
  return new Proxy(place, {
    get(target, name) {
      const value = target[name];
      if (typeof value !== "function") return value;
      return (...given) => {
        const answer = value.apply(target, LOOKS[name] ? LOOKS[name](...given) : given);
        return GO_ON.has(name) ? foreign(answer) : answer;
      };
    },
  });
}

/** Show the pseudo-locale from the first page on. */
export async function speakForeign(page) {
  await page.addInitScript(() => localStorage.setItem("karyaksham.language", "en-XA"));
}

/**
 * Texts in sight, or heard, that are neither from a catalogue nor marked as data, code or English of the server; and
 * elements whose text stands out of them. In catalogues no plain letter is left, so plain words show what they are.
 */
function strangers() {
  // the same in every language: names, keys, an example of a column
  const SAME = /^(SQL|English|Ctrl\+(Shift\+)?Z|id)$/;
  const found = new Set();
  const ours = (text) => {
    let left = text;
    // what was put into a text, the innermost first
    for (let before = ""; before !== left; ) {
      before = left;
      left = left.replaceAll(/\u2068[^\u2068\u2069]*\u2069/g, "");
    }
    return SAME.test(left) || !/[A-Za-z]{2}/.test(left.replaceAll(/`[^`]*`/g, ""));
  };
  // times are written by the browser, which takes the pseudo-locale for English
  const SAID = 'time, [translate="no"], [lang="en"], code, pre, script, style, noscript, textarea, datalist';
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const around = node.parentElement;
    if (!ours(node.data) && !around.closest(SAID)) found.add(`${around.localName}: ${node.data.trim()}`);
  }
  for (const element of document.querySelectorAll("[aria-label], [title], [placeholder], [alt], [aria-valuetext]")) {
    for (const name of ["aria-label", "title", "placeholder", "alt", "aria-valuetext"]) {
      const text = element.getAttribute(name);
      const example = name === "placeholder" && /[=<>()*_/]/.test(text ?? "");
      if (text && !example && !ours(text) && !element.closest(SAID)) found.add(`${element.localName} ${name}: ${text}`);
    }
  }
  for (const element of document.querySelectorAll("main *, header *, aside *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    const { display, overflowX, position } = getComputedStyle(element);
    if (!own || display === "inline" || overflowX !== "visible" || position === "absolute") continue;
    if (element.scrollWidth > element.clientWidth + 1)
      found.add(`${element.localName} of ${element.clientWidth} pixels: ${element.textContent.slice(0, 80)}`);
  }
  if (document.documentElement.scrollWidth > innerWidth) found.add(`a page wider than ${innerWidth} pixels`);
  return [...found];
}

/** What of a page comes from no catalogue, and what does not fit because it is longer. */
export async function notForeign(page) {
  return page.evaluate(strangers);
}
