/** Texts in the reader's language. English stands with each feature (`messages.ts`); a translation is one lazy file. */
import { createElement, Fragment, type ReactElement, type ReactNode } from "react";
import { Store } from "./store";

/** One text; a text by number has a form for each of the language's plurals, chosen by its `count`. */
export type Message = string | Plural;
export type Plural = Forms<string>;
export type Messages = Readonly<Record<string, Message>>;

/** The names between braces; braces around anything but a word are text. */
type Names<T extends string> = T extends `${string}{${infer Name}}${infer Rest}`
  ? (Name extends `${string}${" " | "\n" | "{"}${string}` ? never : Name) | Names<Rest>
  : never;
type NamesOf<M> = M extends string ? Names<M> : "count" | { [Form in keyof M]: Names<M[Form] & string> }[keyof M];
/** What goes in: text as it is, numbers written as the language writes them, elements for what is more than text. */
type Values<M, V> = { readonly [Name in NamesOf<M>]: Name extends "count" ? (M extends string ? V : number) : V };
type Text<M> = [NamesOf<M>] extends [never]
  ? string
  : {
      (values: Values<M, string | number>): string;
      (values: Values<M, string | number | ReactElement>): ReactNode;
    };
declare const SOURCE: unique symbol;
export type Texts<C extends Messages> = { readonly [Key in keyof C]: Text<C[Key]> } & { readonly [SOURCE]?: C };

/** A text that has a place for each of these values. */
type Holding<Name extends string> = (
  Name extends string
    ? (text: `${string}{${Name}}${string}`) => void
    : never
) extends (text: infer All) => void
  ? All & string
  : never;
type Forms<T> = { readonly other: T } & Partial<Readonly<Record<Intl.LDMLPluralRule, T>>>;
/** A form of a plural may say its number in words. */
type Translated<M> = M extends string ? Holding<Names<M>> : Forms<Holding<Exclude<NamesOf<M>, "count">>>;
/** A feature's texts in another language: each of them, with the same values in it. */
export type Translation<T> = T extends { readonly [SOURCE]?: infer C }
  ? { readonly [Key in keyof NonNullable<C>]: Translated<NonNullable<C>[Key]> }
  : never;

/** A language's texts for what is written in English: by feature and key; English where it has none. */
export interface Language {
  find(feature: string, key: string, english: Message): Message | undefined;
  /** What is done to a value that goes into a text. */
  value?(text: string): string;
}

/** How numbers and times are written. English here counts as the Americans do, and has the clock of everybody else. */
interface Tags {
  text: string;
  numbers: string;
  times: string;
}

export interface Locale extends Tags {
  language: Language | null;
  /** The language as it is spoken where the reader is: `en-IN`. */
  region: string;
}

/** The language as the browser says that it is spoken where the reader is, else as `usual`. */
function regional(tag: string, usual: string): string {
  const wanted = typeof navigator === "undefined" ? [] : (navigator.languages ?? []);
  return wanted.find((each) => each.startsWith(`${tag}-`)) ?? usual;
}

const ENGLISH: Locale = {
  text: "en",
  numbers: "en-US",
  times: "en-GB",
  region: regional("en", "en-GB"),
  language: null,
};

/** The language of now: who shows texts that it did not read anew must watch it. */
export const locale = new Store<Locale>(ENGLISH);

/** Take up a language whose texts are loaded; null is English. */
export function speak(tag: string, language: Language | null): void {
  const own = { text: tag, numbers: tag, times: tag, region: regional(tag, tag) };
  locale.set(language === null ? ENGLISH : { ...own, language });
}

/**
 * The texts of a feature, by key: a string, or a function of the values that go in. They are read when they are shown:
 * a text that is kept in a constant would stay in the language of its first moment.
 */
export function messages<const C extends Messages>(feature: string, english: C): Texts<C> {
  const texts = {};
  for (const [key, message] of Object.entries(english)) {
    const current = () => locale.get().language?.find(feature, key, message) ?? message;
    const open = typeof message !== "string" || HOLE.test(message);
    Object.defineProperty(
      texts,
      key,
      open
        ? { value: (values: Record<string, unknown>) => fill(form(current(), values.count), values), enumerable: true }
        : { get: () => form(current(), 0), enumerable: true },
    );
  }
  return texts as Texts<C>;
}

const HOLE = /\{\w+\}/;

function form(message: Message, count: unknown): string {
  if (typeof message === "string") return message;
  return message[cached(RULES, Intl.PluralRules, "text").select(Number(count))] ?? message.other;
}

function fill(text: string, values: Record<string, unknown>): ReactNode {
  const parts = text.split(/\{(\w+)\}/).map((part, index) => (index % 2 === 0 ? part : shown(values[part])));
  if (parts.every((part) => typeof part === "string")) return parts.join("");
  return createElement(Fragment, null, ...parts);
}

function shown(value: unknown): ReactNode {
  if (typeof value === "object") return value as ReactElement;
  const text = typeof value === "number" ? formatNumber(value) : String(value);
  return locale.get().language?.value?.(text) ?? text;
}

type Kind = "text" | "numbers" | "times";
const RULES = new Map<string, Intl.PluralRules>();
const NUMBERS = new Map<string, Intl.NumberFormat>();

/** Formatters are dear to make and stay the same for a language and its options. */
function cached<F, O>(made: Map<string, F>, Maker: new (tag: string, options?: O) => F, kind: Kind, options?: O): F {
  const tag = locale.get()[kind];
  const key = `${tag} ${JSON.stringify(options)}`;
  const known = made.get(key) ?? new Maker(tag, options);
  made.set(key, known);
  return known;
}

/** A number as the language writes it. */
export function formatNumber(value: number, options?: Intl.NumberFormatOptions): string {
  return cached(NUMBERS, Intl.NumberFormat, "numbers", options).format(value);
}

const RELATIVE = new Map<string, Intl.RelativeTimeFormat>();

/** `5 minutes ago`, `yesterday`. */
export function formatRelative(value: number, unit: Intl.RelativeTimeFormatUnit): string {
  return cached(RELATIVE, Intl.RelativeTimeFormat, "text", { numeric: "auto" as const }).format(value, unit);
}

const TIMES = new Map<string, Intl.DateTimeFormat>();

/** A time as the language writes it. */
export function formatTime(time: Date, options: Intl.DateTimeFormatOptions): string {
  return cached(TIMES, Intl.DateTimeFormat, "times", options).format(time);
}

const LISTS = new Map<string, Intl.ListFormat>();

/** `a, b, c`: a list without a word before its last. */
export function formatList(items: readonly string[]): string {
  return cached(LISTS, Intl.ListFormat, "text", { type: "unit" as const, style: "short" as const }).format(items);
}
