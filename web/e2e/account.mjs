// API tokens: made, shown once, used by a program, revoked. Needs a running stack: BASE_URL=http://127.0.0.1:8000.
import assert from "node:assert/strict";
import { BASE_URL, launch, look, signUp, stepper, visit } from "./browser.mjs";

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);
let token = "";

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
    await signUp(page, "Esha");
    await page.getByRole("link", { name: "Esha" }).click();
    await page.getByLabel("Name of the token").fill("Notebook");
    await page.getByLabel("May").selectOption("read and write");
    await page.getByRole("button", { name: "Make token" }).click();
    await page.getByText("Copy the token now").waitFor();
    token = await page.locator("pre").textContent();
    await look(page, "account");
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
} finally {
  await browser.close();
}
