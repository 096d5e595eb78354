// What one job made is what the next one reads: a result becomes a data set, without a copy, and outlives its job.
// Needs a running stack: BASE_URL=http://127.0.0.1:8000.
import assert from "node:assert/strict";
import { BASE_URL, launch, look, signUp, stepper, visit } from "./browser.mjs";
import { Api } from "./shared/api.mjs";

const CSV = `id,country,amount\n${Array.from({ length: 60 }, (_, row) => `${row},${["India", "Nepal", "Bhutan"][row % 3]},${row * 2}`).join("\n")}\n`;
const INDIA = { filter: { where: "country = 'India'" } };

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);

try {
  let api;
  let source = "";
  let job = "";
  await step("a job that is done", async () => {
    api = await Api.logIn(await signUp(page, "Rekha"), "a long enough password");
    source = await api.upload("orders.csv", CSV);
    const spec = { version: 1, steps: [INDIA], output: { format: "parquet" } };
    job = await api.start(await api.pipeline("Orders of India", spec), { input: source });
    assert.equal(await api.ended(job), "SUCCEEDED");
  });

  await step("its result becomes a data set, which says where it is from", async () => {
    await page.goto(`${BASE_URL}/jobs/${job}`);
    await page.getByRole("button", { name: "Use as data set" }).click();
    await page.waitForURL(/\/datasets\//);
    await page.getByRole("heading", { name: "Columns (3)" }).waitFor();
    await page.getByText("Made of the result of Orders of India: part-00000.parquet.").waitFor();
    await look(page, "dataset-of-result");
  });

  await step("the next pipeline reads it", async () => {
    const address = page.url();
    await page.getByRole("link", { name: "New pipeline" }).click();
    await page
      .getByLabel("Data set", { exact: true })
      .getByRole("option", { name: "Orders of India.parquet" })
      .waitFor({
        state: "attached",
      });
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await page.getByLabel("Keep rows where").fill("amount >= 60");
    await page.getByLabel("Name of the pipeline").fill("Large orders");
    await page.getByText("Checked: it can run.").waitFor();
    await page.getByRole("button", { name: "Run" }).click();
    await page.waitForURL(/\/jobs\//);
    await page.getByText("Succeeded").waitFor();
    await page.getByRole("cell", { name: "57", exact: true }).waitFor();
    await page.goto(address);
    await page.getByRole("link", { name: "Large orders" }).waitFor();
  });

  await step("its job is deleted, and it is still there and known where it was from", async () => {
    const dataset = page.url();
    await page.getByRole("link", { name: "Orders of India", exact: true }).click();
    await page.getByRole("link", { name: /^Data set Orders of India/ }).waitFor();
    await look(page, "job-of-dataset");
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("button", { name: "Delete it with its result?" }).click();
    await page.waitForURL(/\/jobs$/);
    await page.goto(dataset);
    await page.getByRole("heading", { name: "Columns (3)" }).waitFor();
    await page.getByText(/^Made of the result of Orders of India/).waitFor();
    await page.getByRole("button", { name: "Profile all rows" }).click();
    await page.getByText("20 rows counted.").waitFor();
  });

  await step("of a result in folders each file becomes one", async () => {
    const spec = { version: 1, steps: [], output: { format: "csv", partitionBy: ["country"] } };
    const split = await api.start(await api.pipeline("By country", spec), { input: source });
    assert.equal(await api.ended(split), "SUCCEEDED");
    await page.goto(`${BASE_URL}/jobs/${split}`);
    await page.getByRole("button", { name: "Use country=India/part-00000.csv as data set" }).click();
    await page.getByRole("link", { name: /^Data set .*country=India/ }).waitFor();
    await page.getByRole("button", { name: "Use all as data sets" }).click();
    await page.getByRole("link", { name: /^Data set .*country=Nepal/ }).click();
    await page.getByText("All its rows have country = Nepal").waitFor();
    await page.getByRole("heading", { name: "Columns (2)" }).waitFor();
    await look(page, "dataset-of-partition");
  });

  await step("nothing complained", async () => assert.deepEqual(complaints, []));
} finally {
  await browser.close();
}
