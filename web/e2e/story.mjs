// The main job in a real browser: sign up, upload a CSV, filter it, watch it succeed, download the result.
// Needs a running stack: BASE_URL=http://127.0.0.1:8000 npm run e2e. SHOTS=folder keeps screenshots.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { BASE_URL, launch, look, stepper, visit } from "./browser.mjs";

const ROWS = 20_000;
const countries = ["India", "Nepal", "Bhutan", "Sri Lanka"];
const csv = ["order_id,country,amount,note"];
const keptRows = [];
for (let row = 1; row <= ROWS; row += 1) {
  const country = countries[row % countries.length];
  const amount = (row % 500) / 2;
  if (country === "India" && amount > 100) keptRows.push(row);
  csv.push(`${row},${country},${amount.toFixed(2)},"note, number ${row}"`);
}
const expected = keptRows.length;
const file = { name: "orders.csv", mimeType: "text/csv", buffer: Buffer.from(`${csv.join("\n")}\n`) };
const visitor = { email: `story-${Date.now()}@example.org`, password: "a long enough password", name: "Asha" };

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);

try {
  await step("a visitor is asked to sign in", async () => {
    await page.goto(`${BASE_URL}/jobs`);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.getByRole("link", { name: "Make an account" }).waitFor();
    await look(page, "sign-in");
  });
  // the first refresh without a cookie is refused, as it should be
  complaints.length = 0;

  await step("wrong password", async () => {
    await page.getByLabel("E-mail").fill(visitor.email);
    await page.getByLabel("Password").fill("not the password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").waitFor();
  });

  await step("sign up", async () => {
    await page.getByRole("link", { name: "Make an account" }).click();
    await page.getByLabel("Name").fill(visitor.name);
    await page.getByLabel("E-mail").fill(visitor.email);
    await page.getByLabel("Password").fill(visitor.password);
    await look(page, "sign-up");
    await page.getByRole("button", { name: "Make account" }).click();
    // back to where the visitor wanted to go
    await page.getByRole("heading", { name: "Jobs" }).waitFor();
    await page.getByText("No jobs yet").waitFor();
    await page.getByRole("link", { name: "Data sets", exact: true }).click();
    await page.getByRole("heading", { name: "Data sets", exact: true }).waitFor();
    await page.getByText("No data sets yet").waitFor();
    await look(page, "datasets-empty");
  });

  await step("upload a CSV", async () => {
    await page.getByLabel("Choose files").setInputFiles(file);
    await page.locator('[data-upload="orders.csv"][data-status="done"]').waitFor();
    await page.locator("tr", { hasText: "orders.csv" }).getByText("Ready").waitFor();
    await look(page, "datasets");
  });

  await step("see what is in it", async () => {
    await page.locator("table").getByRole("link", { name: "orders.csv" }).click();
    await page.getByRole("heading", { name: "Columns (4)" }).waitFor();
    await page.getByRole("cell", { name: "note, number 1", exact: true }).waitFor();
    await look(page, "dataset");
  });

  await step("a filter with a mistake is told in place", async () => {
    await page.getByRole("link", { name: "New pipeline" }).click();
    await page.getByLabel("Name of the pipeline").fill("Orders of India");
    await look(page, "pipeline-new");
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await page.getByLabel("Keep rows where").fill("contry = 'India' AND amount > 100");
    await page.locator('[data-step="filter"] [data-problem="UNKNOWN_COLUMN"]').waitFor();
    assert.equal(await page.getByRole("button", { name: "Run" }).isDisabled(), true);
    await look(page, "pipeline-problem");
  });

  await step("mend it, preview and run", async () => {
    await page.getByLabel("Keep rows where").fill("country = 'India' AND amount > 100");
    await page.getByLabel("Format of the result").selectOption("csv");
    await page.getByText("Checked: it can run.").waitFor();
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("region", { name: "Beginning of the result" }).waitFor();
    await look(page, "pipeline");
    await page.getByRole("button", { name: "Run" }).click();
    await page.waitForURL(/\/jobs\//);
  });

  await step("watch it succeed", async () => {
    await page.getByText("Succeeded").waitFor();
    await page.getByRole("heading", { name: "Result" }).waitFor();
    const kept = page.locator("dt", { hasText: "Rows out" }).locator("xpath=following-sibling::dd");
    assert.equal(await kept.textContent(), expected.toLocaleString("en-US"));
    await page.getByRole("region", { name: /First rows of the result/ }).waitFor();
    await page.getByRole("list", { name: "Log of the job" }).waitFor();
    await look(page, "job");
  });

  await step("page through all rows of it", async () => {
    await page.getByText(`The first 1,000 of ${expected.toLocaleString("en-US")} rows.`).waitFor();
    await page.getByRole("button", { name: `Page through all ${expected.toLocaleString("en-US")}` }).click();
    const rows = page.getByRole("region", { name: /^Rows of the result/ });
    await rows.getByRole("cell", { name: `note, number ${keptRows[0]}`, exact: true }).waitFor();
    await page.getByRole("button", { name: "Next 1,000" }).click();
    await rows.getByRole("cell", { name: `note, number ${keptRows[1000]}`, exact: true }).waitFor();
    await page.getByRole("button", { name: "1,000 before" }).click();
    await rows.getByRole("cell", { name: `note, number ${keptRows[0]}`, exact: true }).waitFor();
    await look(page, "job-rows");
  });

  await step("download the result", async () => {
    const waiting = page.waitForEvent("download");
    await page
      .getByRole("link", { name: /^Download/ })
      .first()
      .click();
    const download = await waiting;
    const lines = readFileSync(await download.path(), "utf8")
      .trimEnd()
      .split("\n");
    assert.match(download.suggestedFilename(), /\.csv$/);
    assert.equal(lines[0], "order_id,country,amount,note");
    assert.equal(lines.length - 1, expected);
  });

  await step("a reload keeps the session, and lists show the work", async () => {
    await page.reload();
    await page.getByRole("heading", { name: "Result" }).waitFor();
    await page.getByRole("link", { name: "Jobs", exact: true }).click();
    await page.locator("tr", { hasText: "Succeeded" }).waitFor();
    await look(page, "jobs");
    await page.getByRole("link", { name: "Pipelines", exact: true }).click();
    await page.getByRole("link", { name: "Orders of India" }).waitFor();
    await look(page, "pipelines");
  });

  await step("what was made can be deleted again", async () => {
    const remove = async (list, name, question) => {
      await page.getByRole("link", { name: list, exact: true }).click();
      await page.getByRole("main").getByRole("link", { name }).first().click();
      await page.getByRole("button", { name: "Delete" }).click();
      await page.getByRole("button", { name: question }).click();
      await page.getByText(/^No .* yet$/).waitFor();
    };
    await remove("Jobs", "Orders of India", "Delete it with its result?");
    await remove("Pipelines", "Orders of India", "Really delete?");
    await remove("Data sets", "orders.csv", "Really delete?");
  });

  await step("sign out", async () => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.goto(`${BASE_URL}/jobs`);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
  });

  await step("nothing complained, no policy was broken", async () => {
    assert.deepEqual(complaints, []);
  });
} finally {
  await browser.close();
}
