/** English that looks foreign: whoever reads it sees which texts are not in the catalogue, and where longer ones do not fit. */
import type { Language, Message } from "./i18n";

const PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ACCENTED = "ÀƁÇÐÉƑĜĤÎĴĶĻṀÑÖÞǪŔŠŢÛṼŴẊÝŽàƀçðéƒĝĥîĵķļɱñöþǫŕšţûṽŵẋýž";
/** Longer by this much, as German and Tamil are. */
const LONGER = 0.4;

/** A text with accents on its letters and 40 % more of them; what stands in braces or between backticks stays. */
export function accented(text: string): string {
  const letters = text.replaceAll(/\{\w+\}|`[^`]*`/g, "").length;
  // no text: what makes other texts longer
  const longer = "öñé ţŵö ţĥŕéé ƒöûŕ ƒîṽé šîẋ šéṽéñ éîĝĥţ ".repeat(Math.ceil((letters * LONGER) / 30) + 1);
  const body = text.replaceAll(/\{\w+\}|`[^`]*`|[A-Za-z]/g, (part) => ACCENTED[PLAIN.indexOf(part)] ?? part);
  return `⟦${body} ${longer.slice(0, Math.ceil(letters * LONGER)).trimEnd()}⟧`;
}

/** What goes into a text stands between invisible marks, so that it can be told from the text. */
export const isolated = (text: string) => `\u2068${text}\u2069`;

const all = (message: Message): Message =>
  typeof message === "string"
    ? accented(message)
    : { other: "", ...Object.fromEntries(Object.entries(message).map(([form, text]) => [form, accented(text)])) };

export const PSEUDO_LANGUAGE: Language = { find: (_, __, english) => all(english), value: isolated };
