// Single sign-on: the button, the provider on another site and back, links, sign-out there too. Needs a running stack with
// a provider of oidc-provider's development pages, where any login does: tests/browser/test_single_sign_on.py.
import assert from "node:assert/strict";
import { BASE_URL, launch, look, signUp, stepper, visit } from "./browser.mjs";
import { foreign, notForeign } from "./shared/pseudo.mjs";

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);

/** Press the button, log in at the provider and agree. */
async function signOn(login, where = page) {
  await where.getByRole("link", { name: "Continue with Example ID" }).click();
  await where.getByPlaceholder("Enter any login").fill(login);
  await where.getByPlaceholder("and password").fill("any");
  await where.getByRole("button", { name: "Sign-in" }).click();
  await where.getByRole("button", { name: "Continue" }).click();
}

/** Sign out here, and at the provider. */
async function signOut() {
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await page.getByRole("button", { name: "Yes, sign me out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
}

try {
  await step("the page offers both ways", async () => {
    await page.goto(`${BASE_URL}/jobs`);
    await page.getByLabel("Password").waitFor();
    await page.getByRole("link", { name: "Continue with Example ID" }).waitFor();
    await look(page, "sign-in-sso");
  });

  await step("from the provider one comes to where one wanted to go", async () => {
    await signOn("priya");
    await page.getByRole("heading", { name: "Jobs", exact: true }).waitFor();
    assert.equal(new URL(page.url()).origin, BASE_URL);
    await page.getByRole("link", { name: "priya" }).waitFor();
  });

  await step("the session is good for a reload, and its cookie out of reach", async () => {
    await page.reload();
    await page.getByRole("heading", { name: "Jobs", exact: true }).waitFor();
    const cookies = await page.context().cookies(BASE_URL);
    const refresh = cookies.find(({ name }) => name.endsWith("karyaksham-refresh"));
    assert.deepEqual([refresh.sameSite, refresh.httpOnly], ["Strict", true]);
    assert.equal(
      cookies.find(({ name }) => name.endsWith("karyaksham-oidc")),
      undefined,
    );
  });

  await step("the page of the account shows the link", async () => {
    await page.getByRole("link", { name: "priya" }).click();
    await page.getByText("priya@example.org").first().waitFor();
    await page.getByRole("button", { name: "Unlink" }).click();
    await look(page, "account-sso");
    await page.evaluate(() => localStorage.setItem("karyaksham.language", "en-XA"));
    await page.reload();
    await foreign(page).getByRole("button", { name: "Unlink" }).click();
    assert.deepEqual(await notForeign(page), []);
    await page.evaluate(() => localStorage.removeItem("karyaksham.language"));
    await page.reload();
    await page.getByRole("button", { name: "Unlink" }).waitFor();
  });

  await step("signing out ends the session at the provider too", async () => {
    await signOut();
    await page.getByRole("link", { name: "Continue with Example ID" }).click();
    await page.getByPlaceholder("Enter any login").waitFor();
  });

  await step("who cancels is told so", async () => {
    await page.getByRole("link", { name: "Cancel" }).click();
    await page.getByText("The sign-in was cancelled.").waitFor();
    await look(page, "sign-in-problem");
  });

  await step("an account with a password is linked by its owner alone", async () => {
    const owner = await visit(browser);
    const email = await signUp(owner.page, "Owner");
    const login = email.split("@")[0];
    await signOn(login);
    await page.getByText("There is an account with your e-mail address").waitFor();

    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password").fill("a long enough password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("link", { name: "Owner" }).click();
    await page.getByRole("button", { name: "Link with Example ID" }).click();
    await page.getByRole("button", { name: "Unlink" }).waitFor();
    assert.equal(new URL(page.url()).pathname, "/account");
    // a session by a password ends here alone
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await page.getByRole("link", { name: "Continue with Example ID" }).click();
    await page.getByRole("link", { name: "Owner" }).waitFor();
    await owner.context.close();
  });

  await step("unlinked, the provider opens it no more", async () => {
    await page.getByRole("link", { name: "Owner" }).click();
    await page.getByRole("button", { name: "Unlink" }).click();
    await page.getByLabel("Password of the account").fill("a long enough password");
    await page.getByRole("button", { name: "Unlink" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.getByRole("link", { name: "Continue with Example ID" }).click();
    await page.getByText("There is an account with your e-mail address").waitFor();
  });
} finally {
  await browser.close();
}
