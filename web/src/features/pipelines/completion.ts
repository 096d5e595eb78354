/** What an expression may go on with: columns and functions. Suggestions only: what is right is the engine's to say. Pure. */
import { m } from "./messages";
import { type ColumnInfo, identifier } from "./spec";

export interface Suggestion {
  /** What is written. */
  text: string;
  /** What it is: a type, or how a function is called. */
  note: string;
  /** Characters between the end of `text` and the caret: inside the parentheses of a function. */
  back: number;
}

/** Functions by name: how each is called, and what that does not say. */
type Known = readonly [name: string, call: string, note?: () => string];

const SCALARS: readonly Known[] = [
  ["abs", "abs(number)"],
  ["btrim", "btrim(text)", () => m.btrimNote],
  ["ceil", "ceil(number)"],
  ["char_length", "char_length(text)"],
  ["coalesce", "coalesce(a, b, …)", () => m.coalesceNote],
  ["concat", "concat(a, b, …)"],
  ["date_part", "date_part('year', date)"],
  ["date_trunc", "date_trunc('month', date)"],
  ["ends_with", "ends_with(text, end)"],
  ["floor", "floor(number)"],
  ["greatest", "greatest(a, b, …)"],
  ["least", "least(a, b, …)"],
  ["left", "left(text, count)"],
  ["lower", "lower(text)"],
  ["nullif", "nullif(a, b)", () => m.nullifNote],
  ["power", "power(base, exponent)"],
  ["regexp_like", "regexp_like(text, pattern)"],
  ["regexp_replace", "regexp_replace(text, pattern, replacement)"],
  ["replace", "replace(text, from, to)"],
  ["right", "right(text, count)"],
  ["round", "round(number, digits)"],
  ["split_part", "split_part(text, delimiter, index)"],
  ["sqrt", "sqrt(number)"],
  ["starts_with", "starts_with(text, beginning)"],
  ["strpos", "strpos(text, part)"],
  ["substr", "substr(text, from, count)"],
  ["to_char", "to_char(date, format)"],
  ["trim", "trim(text)"],
  ["upper", "upper(text)"],
];
const AGGREGATES: readonly Known[] = [
  ["avg", "avg(number)"],
  ["count", "count(*)"],
  ["max", "max(value)"],
  ["median", "median(number)"],
  ["min", "min(value)"],
  ["stddev", "stddev(number)"],
  ["sum", "sum(number)"],
];
const WORDS = ["AND", "OR", "NOT", "IS NULL", "IS NOT NULL", "LIKE", "ILIKE", "IN", "BETWEEN", "CASE WHEN", "CAST"];

/** Suggestions shown at once. */
const MOST = 8;

/** The name under the caret: where it begins, and what is typed of it. Null inside a text in quotes, and after a number. */
export function wordAt(text: string, caret: number): { start: number; typed: string } | null {
  const before = text.slice(0, caret);
  if ((before.match(/'/g)?.length ?? 0) % 2 === 1) return null;
  // an identifier in quotes may hold anything
  const quoted = /"[^"]*$/.exec(before);
  if (quoted && (before.match(/"/g)?.length ?? 0) % 2 === 1) return { start: quoted.index, typed: quoted[0].slice(1) };
  const match = /[\p{L}_][\p{L}\p{N}_]*$/u.exec(before);
  if (!match) return null;
  return /[\p{N}.]$/u.test(before.slice(0, match.index)) ? null : { start: match.index, typed: match[0] };
}

/** What may stand at the caret, what begins like it first; none while nothing is typed, or once it is typed out. */
export function suggest(
  text: string,
  caret: number,
  columns: readonly ColumnInfo[] | null,
  aggregates: boolean,
): Suggestion[] {
  const word = wordAt(text, caret);
  if (!word || word.typed === "") return [];
  const typed = word.typed.toLowerCase();
  const functions = aggregates ? [...AGGREGATES, ...SCALARS] : SCALARS;
  const all: (Suggestion & { name: string })[] = [
    ...(columns ?? []).map(({ name, type }) => ({ name, text: identifier(name), note: type || m.columnNote, back: 0 })),
    ...functions.map(([name, call, note]) => ({
      name,
      text: `${name}()`,
      note: note ? m.functionNote({ call, note: note() }) : call,
      back: 1,
    })),
    ...WORDS.map((name) => ({ name, text: name, note: "", back: 0 })),
  ];
  const ranked = all.flatMap((each) => {
    const place = each.name.toLowerCase().indexOf(typed);
    return place === -1 || each.text === word.typed ? [] : [{ each, rank: place === 0 ? 0 : 1 }];
  });
  return ranked
    .sort((one, other) => one.rank - other.rank)
    .slice(0, MOST)
    .map(({ each: { text: written, note, back } }) => ({ text: written, note, back }));
}

/** The text with the suggestion in place of the word at the caret, and where the caret is then. */
export function complete(text: string, caret: number, suggestion: Suggestion): { text: string; caret: number } {
  const start = wordAt(text, caret)?.start ?? caret;
  const written = `${text.slice(0, start)}${suggestion.text}`;
  return { text: written + text.slice(caret), caret: written.length - suggestion.back };
}
