/** Which languages there are, and which one is shown: the one that was chosen here, else the browser's. */
import { type Language, locale, type Message, speak } from "./i18n";
import { Store } from "./store";

/** A language's own name, and its texts; English, in which all texts are written, has none to load. */
export interface Offer {
  name: string;
  load?: () => Promise<Readonly<Record<string, Readonly<Record<string, Message>>>>>;
}
export type Offers = Readonly<Record<string, Offer>>;

/** For tests: English with accents, longer by 40 %. Nobody is offered it. */
const PSEUDO = "en-XA";
const KEY = "karyaksham.language";
// no text: a name is the same in every language
const ENGLISH: Offers = { en: { name: "English" } };

/** Languages by tag. */
export const offers = new Store<Offers>(ENGLISH);

/** What was chosen in this browser; null: as the browser says. */
export const chosen = new Store<string | null>(null);

/** The first of a reader's languages that is there: `de` also for who reads `de-AT`. */
export function best(wanted: readonly string[], there: readonly string[]): string {
  for (const tag of wanted) {
    const fitting = [tag, tag.split("-")[0]].find((each) => each && there.includes(each));
    if (fitting) return fitting;
  }
  return "en";
}

async function load(tag: string): Promise<Language | null> {
  if (tag === PSEUDO) return (await import("./pseudo")).PSEUDO_LANGUAGE;
  const texts = await offers.get()[tag]?.load?.();
  return texts ? { find: (feature, key) => texts[feature]?.[key] } : null;
}

async function show(): Promise<void> {
  const there = Object.keys(offers.get());
  const own = chosen.get();
  const tag = own && [...there, PSEUDO].includes(own) ? own : best(navigator.languages, there);
  try {
    speak(tag, await load(tag));
  } catch {
    speak("en", null); // its file is gone, or nothing gets through
  }
  document.documentElement.lang = locale.get().text;
}

/** Show a language from now on; null: the browser's. */
export async function chooseLanguage(tag: string | null): Promise<void> {
  chosen.set(tag);
  try {
    if (tag === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, tag);
  } catch {
    // it holds for this visit
  }
  await show();
}

/** Before anything is drawn: the language that was chosen at an earlier visit, else the browser's. */
export async function startLanguage(translations: Offers): Promise<void> {
  offers.set({ ...ENGLISH, ...translations });
  try {
    chosen.set(localStorage.getItem(KEY));
  } catch {
    // a browser that keeps nothing
  }
  await show();
}
