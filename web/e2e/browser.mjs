// What the browser drives share: Debian's Chromium, clear errors, screenshots on request.
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { chromium } from "playwright-core";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const SHOTS = process.env.SHOTS; // a folder for screenshots; none are made without it

export const BASE_URL = (process.env.BASE_URL ?? "http://127.0.0.1:8000").replace(/\/$/, "");

/** Start Chromium; ends with a clear sentence where there is none. */
export async function launch() {
  if (!existsSync(CHROMIUM)) {
    console.error(`missing: ${CHROMIUM} (on Debian: apt install chromium; or set CHROMIUM to a browser)`);
    process.exit(1);
  }
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A page of a fresh visitor; what the console and the page complain about is collected in `complaints`. */
export async function visit(browser, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    acceptDownloads: true,
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`page: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`console: ${message.text()} (${message.location().url})`);
  });
  return { context, page, complaints };
}

const WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const COLOURS = ["color-contrast", "link-in-text-block"];

/** Do something with a page of which everything is in sight: what is not is not even styled (content-visibility). */
export async function whole(page, work) {
  await page.evaluate(() => globalThis.scrollTo(0, 0));
  const size = page.viewportSize();
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width: size.width, height: Math.max(height, size.height) });
  await work();
  await page.setViewportSize(size);
}

/** Frames, and one that is really drawn: before it, some elements still have the colours of the other theme. */
async function drawn(page) {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await page.screenshot({ clip: { x: 0, y: 0, width: 1, height: 1 } });
}

/** Do something with a page in each theme. */
export async function themes(page, work) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await drawn(page);
    await work(colorScheme);
  }
  await page.emulateMedia({ colorScheme: "light", reducedMotion: null });
}

/** Have all styles computed anew, and drawn. */
async function restyled(page) {
  await page.evaluate(() => {
    const { style } = document.documentElement;
    style.display = "none";
    document.documentElement.getBoundingClientRect();
    style.display = "";
  });
  await drawn(page);
}

/** No axe finding of WCAG 2.2 AA on what is shown. A theme is nothing but colours: the dark one is asked about those. */
async function examine(page, name, theme) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axe.source);
  const runOnly = theme === "light" ? { type: "tag", values: WCAG } : { type: "rule", values: COLOURS };
  const look = async () => {
    const { violations } = await page.evaluate(
      (only) => globalThis.axe.run(document, { runOnly: only, resultTypes: ["violations"], preload: false }),
      runOnly,
    );
    return violations.flatMap(({ id, nodes }) =>
      nodes.map((node) => `${id}: ${node.target.join(" ")} ${node.failureSummary?.split("\n")[1]?.trim() ?? ""}`),
    );
  };
  let findings = await look();
  // Chromium may be late with the colours of single elements after a theme has changed: what is wrong stays wrong
  for (let again = 0; findings.length > 0 && again < 3; again += 1) {
    await restyled(page);
    findings = await look();
  }
  assert.deepEqual(findings.slice(0, 10), [], `accessibility of ${name}, ${theme}`);
}

/** No axe finding on a page in either theme. */
export async function accessible(page, name) {
  await whole(page, () => themes(page, (theme) => examine(page, name, theme)));
}

/** Look at a page in both themes: no axe finding; a screenshot of each, when SHOTS names a folder. */
export async function look(page, name) {
  await whole(page, () =>
    themes(page, async (theme) => {
      await shot(page, theme === "light" ? name : `${name}-${theme}`);
      await examine(page, name, theme);
    }),
  );
}

/** Save a screenshot of the whole page, when SHOTS names a folder. */
export async function shot(page, name) {
  if (!SHOTS) return;
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}

/** A runner of named steps: what fails leaves its name, place, complaints and a picture. */
export function stepper(page, complaints) {
  return async (name, work) => {
    const start = Date.now();
    try {
      await work();
    } catch (error) {
      await shot(page, "failed").catch(() => undefined);
      console.error(`✗ ${name}\n  at ${page.url()}\n  ${complaints.join("\n  ")}`);
      throw error;
    }
    console.log(`✓ ${name} (${Date.now() - start} ms)`);
  };
}

/** Upload a text on the page of the data sets, and wait until it can be read. */
export async function uploadText(page, name, text) {
  await page.getByLabel("Choose files").setInputFiles({ name, mimeType: "text/csv", buffer: Buffer.from(text) });
  await page.locator("tr", { hasText: name }).getByText("Ready").waitFor();
}

/** Make an account and arrive at the data sets; returns its e-mail address. */
export async function signUp(page, name, url = BASE_URL) {
  const email = `${name.toLowerCase()}-${Date.now()}@example.org`;
  await page.goto(`${url}/sign-up`);
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill("a long enough password");
  await page.getByRole("button", { name: "Make account" }).click();
  await page.getByRole("heading", { name: "Data sets", exact: true }).waitFor();
  return email;
}
