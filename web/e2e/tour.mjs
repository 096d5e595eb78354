// Pictures of every page of the application: screenshots in both themes and of a tablet, in the folder that SHOTS names, and
// those of the README in the one that PICTURES names. Needs BASE_URL, ADMIN_EMAIL and ADMIN_PASSWORD of a stack.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { shot, themes, whole } from "./browser.mjs";
import { everyPage } from "./shared/pages.mjs";

const { PICTURES } = process.env;

/** What is in sight, in both themes, as WebP. */
async function take(page, name) {
  mkdirSync(PICTURES, { recursive: true });
  const devtools = await page.context().newCDPSession(page);
  await page.evaluate(() => globalThis.scrollTo(0, 0));
  await themes(page, async (theme) => {
    const { data } = await devtools.send("Page.captureScreenshot", { format: "webp", quality: 85 });
    writeFileSync(join(PICTURES, `${name}-${theme}.webp`), Buffer.from(data, "base64"));
  });
  await devtools.detach();
}

await everyPage({
  rows: Number(process.env.ROWS ?? 20_000),
  busy: true,
  watch: async (page, name, picture) => {
    if (picture && PICTURES) await take(page, picture);
    const size = page.viewportSize();
    await page.setViewportSize({ width: 768, height: 1024 });
    await whole(page, () => shot(page, `${name}-tablet`));
    await page.setViewportSize(size);
    await whole(page, () => themes(page, (theme) => shot(page, `${name}-${theme}`)));
  },
});
