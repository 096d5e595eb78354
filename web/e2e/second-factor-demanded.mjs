// A second factor that is demanded: signing up and signing in lead to it, a reload does not get past it, then all is open.
// Needs a stack with REQUIRE_SECOND_FACTOR=everybody.
import assert from "node:assert/strict";
import { accessible, BASE_URL, launch, look, stepper, visit } from "./browser.mjs";
import { code } from "./shared/totp.mjs";

const PASSWORD = "a long enough password";
const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);
const email = `vera-${Date.now()}@example.org`;

try {
  await step("who signs up is led to it", async () => {
    await page.goto(`${BASE_URL}/sign-up`);
    await page.getByLabel("Name").fill("Vera");
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Make account" }).click();
    await page.getByText("A second factor is demanded here").waitFor();
    await accessible(page, "demanded-sign-up");
  });

  await step("neither a reload nor another page gets past it", async () => {
    await page.reload();
    await page.getByText("A second factor is demanded here").waitFor();
    await page.goto(`${BASE_URL}/jobs`);
    await page.getByText("A second factor is demanded here").waitFor();
  });

  await step("one can leave, and comes back to it", async () => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("A second factor is demanded here").waitFor();
  });

  await step("it is set up, and everything is open", async () => {
    await page.getByLabel("Your password").fill(PASSWORD);
    await page.getByRole("button", { name: "Set up" }).click();
    await page.getByRole("img", { name: /QR code/ }).waitFor();
    await look(page, "demanded-set-up");
    const secret = await page.locator("pre").textContent();
    await page.getByLabel("Code").fill(code(secret));
    await page.getByRole("button", { name: "Turn on" }).click();
    await page.getByText("Keep these recovery codes now").waitFor();
    assert.equal((await page.locator("pre").textContent()).split("\n").length, 10);
    await accessible(page, "demanded-codes");
    await page.getByRole("button", { name: "Go on" }).click();
    await page.getByRole("link", { name: "Jobs" }).click();
    await page.getByRole("heading", { name: "Jobs", exact: true }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Jobs", exact: true }).waitFor();
  });
} finally {
  await browser.close();
}
