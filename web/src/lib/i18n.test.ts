import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { afterEach, describe, expect, it } from "vitest";
import { formatList, formatNumber, type Language, messages, speak, type Translation } from "./i18n";
import { accented, PSEUDO_LANGUAGE } from "./pseudo";

const m = messages("test", {
  jobs: "Jobs",
  from: "from {place}",
  rows: { one: "{count} row of {all}", other: "{count} rows of {all}" },
  json: 'A pipeline is an object: { … }, such as { "a": { "b": 1 } }.',
});

const GERMAN: Record<string, ReturnType<Language["find"]>> = {
  jobs: "Aufträge",
  rows: { one: "{count} Zeile von {all}", other: "von {all} sind es {count} Zeilen" },
};
const german: Language = { find: (_, key) => GERMAN[key] };
/** Polish has forms that English has not. */
const polish: Language = {
  find: (_, key) =>
    key === "rows" ? { one: "{count} wiersz", few: "{count} wiersze", other: "{count} wierszy" } : undefined,
};

afterEach(() => speak("en", null));

describe("messages", () => {
  it("are strings, or functions of what goes in", () => {
    expect(m.jobs).toBe("Jobs");
    expect(m.from({ place: "here" })).toBe("from here");
    expect(m.json).toBe('A pipeline is an object: { … }, such as { "a": { "b": 1 } }.');
  });
  it("take the form of the number and write it as the language does", () => {
    expect([1, 0, 5070].map((count) => m.rows({ count, all: 9000 }))).toEqual([
      "1 row of 9,000",
      "0 rows of 9,000",
      "5,070 rows of 9,000",
    ]);
  });
  it("take elements, and stand around them", () => {
    const text = m.from({ place: createElement("b", null, "there") });
    expect(renderToStaticMarkup(text)).toBe("from <b>there</b>");
  });
  it("follow the language, in its order of words; what it lacks is English", () => {
    speak("de", german);
    expect([m.jobs, m.rows({ count: 5070, all: 9000 }), m.from({ place: "x" })]).toEqual([
      "Aufträge",
      "von 9.000 sind es 5.070 Zeilen",
      "from x",
    ]);
  });
  it("know plurals that English has not", () => {
    speak("pl", polish);
    expect([1, 2, 5, 22].map((count) => m.rows({ count, all: 9 }))).toEqual([
      "1 wiersz",
      "2 wiersze",
      "5 wierszy",
      "22 wiersze",
    ]);
  });
  it("refuse what is missing, at the type check", () => {
    // @ts-expect-error there is no such message
    expect(m.nothing).toBeUndefined();
    // @ts-expect-error the value for {all} is missing
    expect(m.rows({ count: 1 })).toBe("1 row of undefined");
    // @ts-expect-error a value is called place
    expect(m.from({ plaice: "x" })).toBe("from undefined");
  });
});

describe("translations", () => {
  it("are refused by the type check when a text or a value is missing", () => {
    const whole = { jobs: "Aufträge", rows: { other: "{count} von {all}" }, json: "Ein Objekt" } as const;
    const fine: Translation<typeof m> = { ...whole, from: "{place}, daher" };
    // @ts-expect-error there is no text for `jobs`
    const gap: Translation<typeof m> = { from: "aus {place}", rows: { other: "" }, json: "" };
    // @ts-expect-error the place is missing
    const hole: Translation<typeof m> = { ...whole, from: "daher" };
    // @ts-expect-error so is what is counted of
    const part: Translation<typeof m> = { ...whole, from: "aus {place}", rows: { other: "{count}" } };
    expect([fine, gap, hole, part]).toHaveLength(4);
  });
});

describe("formats", () => {
  it("follow the language", () => {
    expect([formatNumber(1234.5), formatList(["a", "b", "c"])]).toEqual(["1,234.5", "a, b, c"]);
    speak("de", german);
    expect(formatNumber(1234.5)).toBe("1.234,5");
  });
});

describe("the pseudo-locale", () => {
  it("accents and lengthens, and leaves alone what is no text", () => {
    expect(accented("Run `a.csv` for {name}")).toMatch(/^⟦Ŕûñ `a\.csv` ƒöŕ \{name\} \S.*⟧$/u);
    for (const text of ["No", "A pipeline says what should happen to a data set: filter, select, aggregate."])
      expect(accented(text).length / text.length).toBeGreaterThan(1.4);
  });
  it("marks what goes in", () => {
    speak("en-XA", PSEUDO_LANGUAGE);
    expect(m.from({ place: "Here" })).toMatch(/^⟦ƒŕöɱ \u2068Here\u2069 .*⟧$/u);
    expect(m.rows({ count: 1, all: 2 })).toMatch(/^⟦\u20681\u2069 ŕöŵ öƒ/u);
  });
});
