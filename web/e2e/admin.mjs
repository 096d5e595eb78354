// The administrators' page, and that nobody else sees it. Needs BASE_URL, ADMIN_EMAIL and ADMIN_PASSWORD of a stack.
import assert from "node:assert/strict";
import { BASE_URL, launch, look, signUp, stepper, visit } from "./browser.mjs";

const { ADMIN_EMAIL, ADMIN_PASSWORD } = process.env;
assert.ok(ADMIN_EMAIL && ADMIN_PASSWORD, "set ADMIN_EMAIL and ADMIN_PASSWORD (they stand in the stack's ready file)");

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);

try {
  await step("others are told that the page is not theirs", async () => {
    await signUp(page, "Mira");
    assert.equal(await page.getByRole("link", { name: "Status" }).count(), 0);
    await page.goto(`${BASE_URL}/admin`);
    await page.getByText("This page is for administrators.").waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
  });

  await step("an administrator sees jobs, queue, workers and machine", async () => {
    await page.getByLabel("E-mail").fill(ADMIN_EMAIL);
    await page.getByLabel("Password").fill(ADMIN_PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("link", { name: "Status" }).click();
    await page.getByText("Alive").first().waitFor();
    await look(page, "status");
  });

  await step("the page is live", async () => {
    const note = page.getByText(/^Live\. As of/);
    const before = await note.textContent();
    await page.waitForFunction((text) => !document.body.textContent.includes(text), before);
  });
} finally {
  await browser.close();
}
