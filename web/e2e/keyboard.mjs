// The main job without a mouse: every step by Tab, Enter, Space and typing. Needs a running stack: BASE_URL.
import assert from "node:assert/strict";
import { BASE_URL, launch, stepper, visit } from "./browser.mjs";

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);
// Playwright has dialogs of files intercepted while somebody listens, and does not wait until they are
page.on("filechooser", () => undefined);

/** What has the focus: its role and name, as a screen reader says them. */
const focused = () =>
  page.evaluate(() => {
    const element = document.activeElement;
    const labels = [...(element?.labels ?? [])].map((label) => label.textContent.trim());
    return element?.getAttribute("aria-label") ?? labels[0] ?? element?.textContent?.trim() ?? "";
  });

/** Press Tab until the focus is on something of this name. */
async function tabTo(name) {
  for (let press = 0; press < 80; press += 1) {
    await page.keyboard.press("Tab");
    if ((await focused()) === name) {
      const visible = await page.evaluate(() => document.activeElement?.matches(":focus-visible"));
      assert.equal(visible, true, `${name} has the focus, but nobody sees it`);
      return;
    }
  }
  throw new Error(`the Tab key never reaches "${name}"`);
}

/** Wait until a condition of the page holds, then go on from where the focus is. */
const see = (text) => page.getByText(text).first().waitFor();

try {
  await step("sign up", async () => {
    await page.goto(`${BASE_URL}/sign-in`);
    // the ways to sign in are asked for: the form stands once they are known
    await page.getByRole("link", { name: "Make an account" }).waitFor();
    complaints.length = 0;
    await tabTo("Make an account");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Make an account" }).waitFor();
    for (const [name, value] of [
      ["Name", "Dev"],
      ["E-mail", `keyboard-${Date.now()}@example.org`],
      ["Password", "a long enough password"],
    ]) {
      await tabTo(name);
      await page.keyboard.type(value);
    }
    await page.keyboard.press("Enter");
    await see("No data sets yet");
  });

  await step("skip the navigation, upload a file", async () => {
    await page.reload();
    await see("No data sets yet");
    await tabTo("To the content");
    await page.keyboard.press("Enter");
    await tabTo("Choose files");
    const chooser = page.waitForEvent("filechooser");
    await page.keyboard.press("Space");
    const buffer = Buffer.from("city,people\nPune,7\nAgra,2\n");
    await (await chooser).setFiles({ name: "cities.csv", mimeType: "text/csv", buffer });
    await page.locator("tr", { hasText: "cities.csv" }).getByText("Ready").waitFor();
  });

  await step("open it, make a filter, run it", async () => {
    await tabTo("cities.csv");
    await page.keyboard.press("Enter");
    await see("First rows");
    await tabTo("New pipeline");
    await page.keyboard.press("Enter");
    await see("Say what should happen");
    await tabTo("Filter");
    await page.keyboard.press("Enter");
    await page.locator('[data-step="filter"]').waitFor();
    await page.keyboard.press("Shift+Tab");
    // back to the top of the step: the focus must not be caught anywhere
    for (let press = 0; press < 20 && (await focused()) !== "Keep rows where"; press += 1) {
      await page.keyboard.press("Shift+Tab");
    }
    await page.keyboard.type("people > 5");
    await see("Checked: it can run.");
    for (let press = 0; press < 40 && (await focused()) !== "Run"; press += 1) await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
    await see("Succeeded");
    await page.getByRole("cell", { name: "Pune" }).waitFor();
  });

  await step("download the result", async () => {
    const download = page.waitForEvent("download");
    await tabTo("Download part-00000.parquet");
    await page.keyboard.press("Enter");
    assert.match((await download).suggestedFilename(), /\.parquet$/);
  });

  await step("nothing complained", async () => assert.deepEqual(complaints, []));
} finally {
  await browser.close();
}
