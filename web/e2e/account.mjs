// API tokens: made, shown once, used by a program, revoked. Needs a running stack: BASE_URL=http://127.0.0.1:8000.
import assert from "node:assert/strict";
import { BASE_URL, launch, look, signUp, stepper, visit } from "./browser.mjs";

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);
let token = "";
let email = "";

/** Ask who the token stands for, as a program would. */
async function whoAmI() {
  const response = await fetch(`${BASE_URL}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: "{ me { name } }" }),
  });
  const { data, errors } = await response.json();
  return data?.me?.name ?? errors?.[0]?.extensions?.code;
}

try {
  await step("a token is made and shown", async () => {
    email = await signUp(page, "Esha");
    await page.getByRole("link", { name: "Esha" }).click();
    await page.getByLabel("Name of the token").fill("Notebook");
    await page.getByLabel("May").selectOption("read and write");
    await page.getByRole("button", { name: "Make token" }).click();
    await page.getByText("Copy the token now").waitFor();
    token = await page.locator("pre").textContent();
    await look(page, "account");
  });

  await step("the name is changed, everywhere at once", async () => {
    await page.getByLabel("Name", { exact: true }).fill("Esha Rao");
    await page.getByRole("button", { name: "Rename" }).click();
    await page.getByRole("link", { name: "Esha Rao" }).waitFor();
    assert.equal(await whoAmI(), "Esha Rao");
    await page.getByLabel("Name", { exact: true }).fill("Esha");
    await page.getByRole("button", { name: "Rename" }).click();
    await page.getByRole("link", { name: "Esha", exact: true }).waitFor();
  });

  await step("a program can use it", async () => assert.equal(await whoAmI(), "Esha"));

  await step("it is shown this once only", async () => {
    await page.reload();
    await page.getByRole("cell", { name: "Notebook" }).waitFor();
    assert.equal(await page.getByText(token).count(), 0);
  });

  await step("revoked, it is good for nothing", async () => {
    await page.getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("button", { name: "Really revoke?" }).click();
    await page.getByRole("cell", { name: "Notebook" }).waitFor({ state: "detached" });
    assert.equal(await whoAmI(), "UNAUTHENTICATED");
  });
  await step("the theme is chosen and stays", async () => {
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await background();
    await page.getByRole("button", { name: "Dark", exact: true }).click();
    const dark = await background();
    assert.notEqual(dark, light);
    await page.reload();
    await page.getByRole("heading", { name: "Account" }).waitFor();
    assert.equal(await background(), dark);
    await page.getByRole("button", { name: "As the system" }).click();
    assert.equal(await background(), light);
  });

  await step("the language is chosen and stays", async () => {
    const language = () => page.evaluate(() => document.documentElement.lang);
    // the language that only tests know: no other is there yet
    await page.evaluate(() => localStorage.setItem("karyaksham.language", "en-XA"));
    await page.reload();
    await page.getByText("Àþþéàŕàñçé").waitFor();
    assert.equal(await language(), "en-XA");
    await page.getByRole("button", { name: "English", exact: true }).click();
    await page.getByRole("heading", { name: "Appearance" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Appearance" }).waitFor();
    assert.equal(await language(), "en");
    await page.getByRole("button", { name: "As the browser" }).click();
    assert.equal(await page.evaluate(() => localStorage.getItem("karyaksham.language")), null);
  });

  await step("signing out everywhere ends the session on another computer", async () => {
    const other = await visit(browser);
    await other.page.goto(`${BASE_URL}/sign-in`);
    await other.page.getByLabel("E-mail").fill(email);
    await other.page.getByLabel("Password").fill("a long enough password");
    await other.page.getByRole("button", { name: "Sign in" }).click();
    await other.page.getByRole("heading", { name: "Data sets", exact: true }).waitFor();
    await page.getByRole("button", { name: "Sign out everywhere" }).click();
    await page.getByRole("button", { name: "Really everywhere?" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await other.page.goto(`${BASE_URL}/jobs`);
    await other.page.getByRole("heading", { name: "Sign in" }).waitFor();
  });
} finally {
  await browser.close();
}
