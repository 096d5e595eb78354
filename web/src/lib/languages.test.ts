import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { locale, messages, speak } from "./i18n";
import { best, chooseLanguage, chosen, type Offers, offers, startLanguage } from "./languages";

const m = messages("test", { jobs: "Jobs", save: "Save" });
const OFFERS: Offers = {
  de: { name: "Deutsch", load: async () => ({ test: { jobs: "Aufträge" } }) },
  fr: { name: "Français", load: () => Promise.reject(new Error("its file is gone")) },
};

/** A browser that reads these languages, with what it keeps. */
function browser(languages: string[], kept: Record<string, string> = {}) {
  const root = { lang: "" };
  vi.stubGlobal("navigator", { languages });
  vi.stubGlobal("document", { documentElement: root });
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => kept[key] ?? null,
    setItem: (key: string, value: string) => {
      kept[key] = value;
    },
    removeItem: (key: string) => delete kept[key],
  });
  return { kept, root };
}

beforeEach(() => chosen.set(null));
afterEach(() => {
  vi.unstubAllGlobals();
  speak("en", null);
});

describe("best", () => {
  it("takes the first language that there is, whatever its region", () => {
    expect(best(["fr-FR", "de-AT", "en"], ["en", "de"])).toBe("de");
    expect(best(["fr"], ["en", "de"])).toBe("en");
    expect(best([], ["en"])).toBe("en");
  });
});

describe("the language", () => {
  it("is the browser's where it is there, with dates as in the reader's region", async () => {
    const { root } = browser(["de-AT", "en"]);
    await startLanguage(OFFERS);
    expect([m.jobs, m.save, root.lang, locale.get().region]).toEqual(["Aufträge", "Save", "de", "de-AT"]);
    expect(Object.values(offers.get()).map(({ name }) => name)).toEqual(["English", "Deutsch", "Français"]);
  });
  it("is the one that was chosen, until the browser's is chosen again", async () => {
    const { kept, root } = browser(["de"]);
    await startLanguage(OFFERS);
    await chooseLanguage("en");
    expect([m.jobs, root.lang, Object.values(kept)]).toEqual(["Jobs", "en", ["en"]]);
    await startLanguage(OFFERS);
    expect([m.jobs, chosen.get()]).toEqual(["Jobs", "en"]);
    await chooseLanguage(null);
    expect([m.jobs, root.lang, Object.values(kept)]).toEqual(["Aufträge", "de", []]);
  });
  it("is English where its file is gone, where it is unknown, and in a browser that keeps nothing", async () => {
    const { root } = browser(["fr"]);
    await startLanguage(OFFERS);
    expect([m.jobs, root.lang]).toEqual(["Jobs", "en"]);
    browser(["ja"], { "karyaksham.language": "tlh" });
    await startLanguage(OFFERS);
    expect(m.jobs).toBe("Jobs");
    browser(["en"]);
    vi.stubGlobal("localStorage", undefined);
    await startLanguage(OFFERS);
    await chooseLanguage("de");
    expect(m.jobs).toBe("Aufträge");
  });
});
