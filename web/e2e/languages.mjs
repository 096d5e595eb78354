// Every page of the application in the pseudo-locale, in all its states: whatever it says comes from the catalogues, and
// texts that are longer by 40 % fit, on a desk and on a tablet. Needs BASE_URL, ADMIN_EMAIL and ADMIN_PASSWORD of a stack.
import assert from "node:assert/strict";
import { shot, whole } from "./browser.mjs";
import { everyPage } from "./shared/pages.mjs";
import { foreign, notForeign, speakForeign } from "./shared/pseudo.mjs";

const TABLET = { width: 768, height: 1024 };
/** By finding, the first page that has it: what is on all pages is told once. */
const found = new Map();

await everyPage({
  rows: 2000,
  begin: async (page) => {
    await speakForeign(page);
    return foreign(page);
  },
  watch: async (page, name) => {
    const size = page.viewportSize();
    for (const viewport of [TABLET, size]) {
      await page.setViewportSize(viewport);
      await whole(page, async () => {
        for (const finding of await notForeign(page)) if (!found.has(finding)) found.set(finding, name);
        await shot(page, `${name}-${viewport.width}`);
      });
    }
  },
});
assert.deepEqual(Object.fromEntries(found), {});
console.log("✓ all of it comes from the catalogues, and fits");
