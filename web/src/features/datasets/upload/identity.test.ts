import { describe, expect, it } from "vitest";
import { findUpload, forget, type Remembered, remember, remembered } from "./identity";

function shelf() {
  const values = new Map<string, string>();
  return {
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => void values.set(key, value),
  };
}
const entry: Remembered = { uploadId: "U", userId: "me", name: "a.csv", size: 9, lastModified: 5, startedAt: 1000 };

describe("remembered uploads", () => {
  it("finds the upload of the same file only", () => {
    const store = shelf();
    remember(store, entry);
    expect(findUpload(store, "me", { name: "a.csv", size: 9, lastModified: 5 }, 2000)?.uploadId).toBe("U");
    expect(findUpload(store, "me", { name: "a.csv", size: 9, lastModified: 6 }, 2000)).toBeNull();
    expect(findUpload(store, "me", { name: "a.csv", size: 8, lastModified: 5 }, 2000)).toBeNull();
  });
  it("never shows one user's upload to another on the same computer", () => {
    const store = shelf();
    remember(store, entry);
    expect(remembered(store, "you", 2000)).toEqual([]);
  });
  it("forgets finished and old ones", () => {
    const store = shelf();
    remember(store, entry);
    expect(remembered(store, "me", entry.startedAt + 15 * 24 * 3600 * 1000)).toEqual([]);
    forget(store, "U");
    expect(remembered(store, "me", 2000)).toEqual([]);
  });
  it("keeps one entry per upload", () => {
    const store = shelf();
    remember(store, entry);
    remember(store, { ...entry, startedAt: 3000 });
    expect(remembered(store, "me", 4000)).toHaveLength(1);
  });
  it.each(["{", "7", '[{"uploadId":1}]', "null"])("survives rubbish: %s", (text) => {
    const store = shelf();
    store.setItem("karyaksham.uploads.v1", text);
    expect(remembered(store, "me", 0)).toEqual([]);
  });
  it("survives a browser that forbids storage", () => {
    const store = {
      getItem: () => null,
      setItem: () => {
        throw new Error("QuotaExceededError");
      },
    };
    expect(() => remember(store, entry)).not.toThrow();
  });
});
