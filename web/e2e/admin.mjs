// The administrators' page, and that nobody else sees it. Needs BASE_URL, ADMIN_EMAIL and ADMIN_PASSWORD of a stack.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { BASE_URL, launch, look, signUp, stepper, uploadText, visit } from "./browser.mjs";

const { ADMIN_EMAIL, ADMIN_PASSWORD } = process.env;
assert.ok(ADMIN_EMAIL && ADMIN_PASSWORD, "set ADMIN_EMAIL and ADMIN_PASSWORD (they stand in the stack's ready file)");

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);
const view = (name) =>
  page.getByRole("group", { name: "Show", exact: true }).getByRole("button", { name, exact: true }).click();
const title = `Waits for a worker ${Date.now()}`;
const few = `few-${Date.now()}.csv`;
let mira = "";

try {
  await step("others are told that the page is not theirs", async () => {
    mira = await signUp(page, "Mira");
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
    await page.getByText("Queue depth").waitFor();
    await page.getByRole("img", { name: /^Jobs over time/ }).waitFor();
    await page.getByRole("img", { name: /^Bytes read/ }).waitFor();
    await look(page, "status");
  });

  await step("the page is live", async () => {
    const note = page.getByText(/^Live\. As of/);
    const before = await note.textContent();
    await page.waitForFunction((text) => !document.body.textContent.includes(text), before);
  });
  await step(
    "a worker is drained, a job waits and is cancelled from above, the worker resumes, the job is run anew",
    async () => {
      await page.getByRole("link", { name: "Data sets", exact: true }).click();
      await uploadText(page, few, "a\n1\n");
      await page.getByRole("link", { name: "Status" }).click();
      await view("Workers");
      await page.getByText("Alive").first().waitFor();
      await page
        .getByRole("button", { name: /^Drain worker/ })
        .first()
        .click();
      await page.getByText("Draining").first().waitFor();
      await look(page, "admin-workers");
      await page.getByRole("link", { name: "Data sets", exact: true }).click();
      await page.locator("table").getByRole("link", { name: few }).first().click();
      await page.getByRole("link", { name: "New pipeline" }).click();
      await page.getByLabel("Name of the pipeline").fill(title);
      await page.getByText("Checked: it can run.").waitFor();
      await page.getByRole("button", { name: "Run" }).click();
      await page.getByText("Waiting", { exact: true }).waitFor();
      await page.getByRole("link", { name: "Status" }).click();
      await view("Jobs");
      const row = page.getByRole("row").filter({ hasText: title });
      await row.getByText("Waiting").waitFor();
      await row.getByRole("button", { name: "Cancel" }).click();
      await row.getByRole("button", { name: "Really cancel?" }).click();
      await row.waitFor({ state: "detached" });
      await page.getByRole("group", { name: "Show jobs" }).getByRole("button", { name: "All" }).click();
      await row.getByText("Cancelled").waitFor();
      await look(page, "admin-jobs");
      await view("Workers");
      await page
        .getByRole("button", { name: /^Resume worker/ })
        .first()
        .click();
      await page.getByText("Alive").first().waitFor();
      await view("Jobs");
      await page.getByRole("group", { name: "Show jobs" }).getByRole("button", { name: "All" }).click();
      await row.getByRole("button", { name: "Requeue" }).click();
      await row.getByRole("button", { name: "Run it anew?" }).click();
      await row.getByText("Succeeded").waitFor();
    },
  );

  await step("storage, audit log", async () => {
    await view("Storage");
    await page.getByRole("heading", { name: "By workspace" }).waitFor();
    await look(page, "admin-storage");
    await view("Audit log");
    await page.getByRole("cell", { name: "worker.drain" }).first().waitFor();
    await look(page, "admin-audit");
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Download as NDJSON" }).click(),
    ]);
    const lines = readFileSync(await download.path(), "utf8")
      .trim()
      .split("\n");
    assert.ok(lines.map((line) => JSON.parse(line)).some((entry) => entry.actorEmail === mira));
  });

  await step("an account is found, shut out, and let in again", async () => {
    await view("Accounts");
    await page.getByLabel("Part of a name or an e-mail address").fill(mira);
    await page.getByRole("button", { name: "Search" }).click();
    const row = page.getByRole("row").filter({ hasText: mira });
    await row.getByRole("button", { name: "Disable" }).click();
    await row.getByRole("button", { name: "Shut them out?" }).click();
    await row.getByText("Disabled").waitFor();
    await look(page, "admin-accounts");
    const other = await visit(browser);
    await other.page.goto(`${BASE_URL}/sign-in`);
    await other.page.getByLabel("E-mail").fill(mira);
    await other.page.getByLabel("Password").fill("a long enough password");
    await other.page.getByRole("button", { name: "Sign in" }).click();
    await other.page.getByText("E-mail address or password is wrong.").waitFor();
    await row.getByRole("button", { name: "Enable" }).click();
    await row.getByRole("button", { name: "Let them in again?" }).click();
    await row.getByText("Active").waitFor();
    await other.page.getByRole("button", { name: "Sign in" }).click();
    await other.page.getByRole("heading", { name: "Data sets", exact: true }).waitFor();
  });
} finally {
  // a failure in between must not leave the others without a worker
  await page.goto(`${BASE_URL}/admin?view=workers`).catch(() => undefined);
  const resume = page.getByRole("button", { name: /^Resume worker/ });
  await page
    .getByText(/^(Alive|Draining)$/)
    .first()
    .waitFor()
    .catch(() => undefined);
  if ((await resume.count()) > 0) await resume.first().click();
  await browser.close();
}
