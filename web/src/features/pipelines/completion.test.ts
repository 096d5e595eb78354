import { describe, expect, it } from "vitest";
import { complete, suggest, wordAt } from "./completion";

const columns = [
  { name: "amount", type: "decimal(12,2)" },
  { name: "Unit price", type: "float64" },
  { name: "country", type: "utf8" },
];
const texts = (text: string, aggregates = false, caret = text.length) =>
  suggest(text, caret, columns, aggregates).map((each) => each.text);

describe("wordAt", () => {
  it("finds the name before the caret", () => {
    expect(wordAt("a > 1 AND amou", 14)).toEqual({ start: 10, typed: "amou" });
    expect(wordAt("amount > 1", 3)).toEqual({ start: 0, typed: "amo" });
    expect(wordAt('"Unit pr', 8)).toEqual({ start: 0, typed: "Unit pr" });
  });
  it("finds none in texts, numbers and gaps", () => {
    for (const text of ["country = 'Ind", "a = 12", "1.e", "a ", ""]) expect(wordAt(text, text.length)).toBeNull();
    expect(wordAt("country = 'India' AND a", 23)).toEqual({ start: 22, typed: "a" });
  });
});

describe("suggest", () => {
  it("puts columns first, and what begins with the word before what holds it", () => {
    expect(texts("am")[0]).toBe("amount");
    expect(texts("count")).toContain("country");
    expect(texts("unt")).toEqual(["amount", "country"]);
  });
  it("writes names as expressions need them", () => expect(texts("unit")).toEqual(['"Unit price"']));
  it("knows aggregates only where they may stand", () => {
    expect(texts("medi")).toEqual([]);
    expect(texts("medi", true)).toEqual(["median()"]);
  });
  it("is silent when the word is typed out, and in a text", () => {
    expect(texts("amount")).toEqual([]);
    expect(texts("country = 'am")).toEqual([]);
  });
  it("does without columns", () =>
    expect(suggest("upp", 3, null, false).map((each) => each.text)).toEqual(["upper()"]));
});

describe("complete", () => {
  it("replaces the word and keeps what follows", () => {
    const [column] = suggest("a > 1 AND amo = 2", 13, columns, false);
    expect(column && complete("a > 1 AND amo = 2", 13, column)).toEqual({ text: "a > 1 AND amount = 2", caret: 16 });
  });
  it("puts the caret between the parentheses of a function", () => {
    const [upper] = suggest("upp", 3, columns, false);
    expect(upper && complete("upp", 3, upper)).toEqual({ text: "upper()", caret: 6 });
  });
  it("closes the quotes of a name", () => {
    const [name] = suggest('"unit', 5, columns, false);
    expect(name && complete('"unit', 5, name)).toEqual({ text: '"Unit price"', caret: 12 });
  });
});
