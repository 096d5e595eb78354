// Mailed links: an address is verified, a forgotten password replaced, on the way every session ended. Needs BASE_URL and LOGS.
import assert from "node:assert/strict";
import { BASE_URL, launch, look, signUp, stepper, visit } from "./browser.mjs";
import { link, mail } from "./shared/mails.mjs";

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);
const NEW = "another long password";
let email = "";
let reset = "";

async function signIn(where, password) {
  await where.goto(`${BASE_URL}/sign-in`);
  await where.getByLabel("E-mail").fill(email);
  await where.getByLabel("Password").fill(password);
  await where.getByRole("button", { name: "Sign in" }).click();
}

try {
  await step("the page Account says that the address is not verified", async () => {
    email = await signUp(page, "Ila");
    await page.getByRole("link", { name: "Ila" }).click();
    await page.getByText("is not verified yet").waitFor();
  });

  await step("the mailed link verifies it, once", async () => {
    const url = link(await mail(email, "Verify"));
    await page.goto(url);
    await page.getByRole("button", { name: "It is mine" }).click();
    await page.getByText(`${email} is verified.`).waitFor();
    assert.ok(!page.url().includes("#"), "the token stays in the address");
    await page.goto(`${BASE_URL}/account`);
    await page.getByRole("heading", { name: "API tokens" }).waitFor();
    assert.equal(await page.getByText("is not verified yet").count(), 0);
    const other = await visit(browser);
    await other.page.goto(url);
    await other.page.getByRole("button", { name: "It is mine" }).click();
    await other.page.getByText("This link is not valid").waitFor();
    await other.context.close();
  });

  const forgetful = await visit(browser);
  await step("who forgot the password is mailed a link", async () => {
    await forgetful.page.goto(`${BASE_URL}/sign-in`);
    await forgetful.page.getByRole("link", { name: "Forgot your password?" }).click();
    await forgetful.page.getByRole("heading", { name: "Forgot your password?" }).waitFor();
    await forgetful.page.getByLabel("E-mail").fill(email);
    await forgetful.page.getByRole("button", { name: "Send link" }).click();
    await forgetful.page.getByText(`If ${email} has an account`).waitFor();
    await look(forgetful.page, "forgot-password");
    reset = link(await mail(email, "Choose a new password"));
  });

  await step("a password that is too easy is told at its field", async () => {
    await forgetful.page.goto(reset);
    await forgetful.page.getByLabel("New password").fill(email);
    await forgetful.page.getByRole("button", { name: "Set password" }).click();
    await forgetful.page.getByText("easy to guess").waitFor();
  });

  await step("the new one holds, and the owner is told", async () => {
    await forgetful.page.getByLabel("New password").fill(NEW);
    await forgetful.page.getByRole("button", { name: "Set password" }).click();
    await forgetful.page.getByText("The new password holds.").waitFor();
    await mail(email, "Your password was changed");
    await signIn(forgetful.page, "a long enough password");
    await forgetful.page.getByText("E-mail address or password is wrong.").waitFor();
    await signIn(forgetful.page, NEW);
    await forgetful.page.getByRole("heading", { name: "Data sets", exact: true }).waitFor();
  });

  await step("the session of before has ended", async () => {
    await page.goto(`${BASE_URL}/jobs`);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
  });

  await step("the password is changed by the current one", async () => {
    await forgetful.page.goto(`${BASE_URL}/account`);
    await forgetful.page.getByLabel("Current password").fill(NEW);
    await forgetful.page.getByLabel("New password").fill(`${NEW} still`);
    await forgetful.page.getByRole("button", { name: "Change password" }).click();
    await forgetful.page.getByText("The new password holds.").waitFor();
    await signIn(page, `${NEW} still`);
    await page.getByRole("heading", { name: "Data sets", exact: true }).waitFor();
  });
} finally {
  await browser.close();
}
