// A second factor: set up with an authenticator app, asked for, replaced by a recovery code, turned off; reset by an administrator.
// Needs BASE_URL, ADMIN_EMAIL and ADMIN_PASSWORD.
import assert from "node:assert/strict";
import { accessible, BASE_URL, launch, look, signUp, stepper, visit } from "./browser.mjs";
import { code } from "./shared/totp.mjs";

const { ADMIN_EMAIL, ADMIN_PASSWORD } = process.env;
const PASSWORD = "a long enough password";
const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);
let email = "";
let secret = "";
let codes = [];

async function signIn(where) {
  await where.goto(`${BASE_URL}/sign-in`);
  await where.getByLabel("E-mail").fill(email);
  await where.getByLabel("Password").fill(PASSWORD);
  await where.getByRole("button", { name: "Sign in" }).click();
}

async function enterCode(where, text) {
  await where.getByLabel("Code").fill(text);
  await where.getByRole("button", { name: "Go on" }).click();
}

const signedIn = (where) => where.getByRole("heading", { name: "Data sets", exact: true }).waitFor();

try {
  await step("it is set up with the password and a code", async () => {
    email = await signUp(page, "Uma");
    await page.getByRole("link", { name: "Uma" }).click();
    await page.getByLabel("Your password").fill(PASSWORD);
    await page.getByRole("button", { name: "Set up" }).click();
    const image = page.getByRole("img", { name: /QR code/ });
    await image.waitFor();
    assert.ok(await image.evaluate((each) => each.complete && each.naturalWidth > 50), "the QR code is not drawn");
    await accessible(page, "second-factor-set-up");
    secret = await page.locator("pre").textContent();
    await page.getByLabel("Code").fill(code(secret));
    await page.getByRole("button", { name: "Turn on" }).click();
    await page.getByText("Keep these recovery codes now").waitFor();
    codes = (await page.locator("pre").textContent()).split("\n");
    assert.equal(codes.length, 10);
    await accessible(page, "second-factor-codes");
    await look(page, "second-factor");
  });

  await step("the codes are shown this once only", async () => {
    await page.reload();
    await page.getByText("recovery codes left: 10").waitFor();
    assert.equal(await page.getByText(codes[0]).count(), 0);
  });

  const other = await visit(browser);
  await step("signing in asks for a code, and a recovery code does too", async () => {
    await signIn(other.page);
    await other.page.getByLabel("Code").waitFor();
    await accessible(other.page, "sign-in-code");
    await enterCode(other.page, "000000x");
    await other.page.getByText("The code is wrong").waitFor();
    await enterCode(other.page, codes[0]);
    await signedIn(other.page);
  });

  await step("it is turned off", async () => {
    await other.page.goto(`${BASE_URL}/account`);
    await other.page.getByText("recovery codes left: 9").waitFor();
    await other.page.getByRole("button", { name: "Turn off" }).click();
    await other.page.getByLabel("Your password").fill(PASSWORD);
    await other.page.getByLabel("Code").fill(codes[1]);
    await other.page.getByRole("button", { name: "Turn the second factor off" }).click();
    await other.page.getByRole("button", { name: "Set up" }).waitFor();
  });

  await step("an administrator turns it off for who lost the app", async () => {
    await other.page.getByLabel("Your password").fill(PASSWORD);
    await other.page.getByRole("button", { name: "Set up" }).click();
    await other.page.getByRole("img", { name: /QR code/ }).waitFor();
    secret = await other.page.locator("pre").textContent();
    await other.page.getByLabel("Code").fill(code(secret));
    await other.page.getByRole("button", { name: "Turn on" }).click();
    await other.page.getByText("Keep these recovery codes now").waitFor();
    const admin = await visit(browser);
    await admin.page.goto(`${BASE_URL}/sign-in`);
    await admin.page.getByLabel("E-mail").fill(ADMIN_EMAIL);
    await admin.page.getByLabel("Password").fill(ADMIN_PASSWORD);
    await admin.page.getByRole("button", { name: "Sign in" }).click();
    await signedIn(admin.page);
    await admin.page.goto(`${BASE_URL}/admin`);
    await admin.page
      .getByRole("group", { name: "Show", exact: true })
      .getByRole("button", { name: "Accounts" })
      .click();
    const row = admin.page.getByRole("row", { name: email });
    await row.getByRole("button", { name: "Reset second factor" }).click();
    await row.getByRole("button", { name: "Let the password do?" }).click();
    await row.getByRole("button", { name: "Reset second factor" }).waitFor({ state: "detached" });
    await signIn(page);
    await signedIn(page);
  });
} finally {
  await browser.close();
}
