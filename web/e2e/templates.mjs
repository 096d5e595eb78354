// The analyst's and the data scientist's stories by what the screen offers: a log's ERROR lines, a CSV as Parquet.
// Needs a running stack: BASE_URL=http://127.0.0.1:8000.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { launch, look, signUp, stepper, visit } from "./browser.mjs";

const LINES = 50_000;
const levels = ["INFO", "DEBUG", "ERROR", "WARN", "INFO"];
const log = Array.from({ length: LINES }, (_, row) => {
  const second = String(row % 60).padStart(2, "0");
  return `2026-11-24T00:00:${second}Z ${levels[row % 5]} worker-${row % 8} "quoted, text" request ${row}`;
});
const csv = ["city,population", ...Array.from({ length: 1000 }, (_, row) => `City ${row},${row * 1000}`)];
const file = (name, lines) => ({ name, text: `${lines.join("\n")}\n` });

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);
/** Drop files onto the middle of the page. */
const drop = (...files) =>
  page.evaluate((given) => {
    const dataTransfer = new DataTransfer();
    for (const { name, text } of given) dataTransfer.items.add(new File([text], name));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  }, files);
const ready = (name) => page.locator("tr", { hasText: name }).getByText("Ready").waitFor();

try {
  await step("sign up, and drop two files anywhere", async () => {
    await signUp(page, "Leela");
    await page.getByRole("link", { name: "Jobs", exact: true }).click();
    await drop(file("app.log", log), file("cities.csv", csv));
    await page.getByRole("heading", { name: "Data sets", exact: true }).waitFor();
    await ready("app.log");
    await ready("cities.csv");
  });

  await step("story 1: keep the lines that contain ERROR", async () => {
    await page.locator('[data-upload="app.log"]').getByRole("link", { name: "Open" }).click();
    await page.getByRole("link", { name: /^Keep matching lines/ }).click();
    await page.getByText("Checked: it can run.").waitFor();
    await look(page, "pipeline-lines");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("Succeeded").waitFor();
    const waiting = page.waitForEvent("download");
    await page
      .getByRole("link", { name: /^Download/ })
      .first()
      .click();
    const result = readFileSync(await (await waiting).path(), "utf8");
    assert.equal(result, `${log.filter((line) => line.includes("ERROR")).join("\n")}\n`);
  });

  await step("story 2: a CSV as Parquet, and the line of code that loads it", async () => {
    await page.getByRole("link", { name: "Data sets", exact: true }).click();
    await page.locator("table").getByRole("link", { name: "cities.csv" }).click();
    await page.getByRole("link", { name: /^Convert to Parquet/ }).click();
    await page.getByText("Checked: it can run.").waitFor();
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("Succeeded").waitFor();
    await page.getByRole("cell", { name: "City 3", exact: true }).waitFor();
    const code = page.locator("pre", { hasText: "import polars" });
    assert.match(await code.textContent(), /grpc:\/\//);
    await page.getByRole("button", { name: "duckdb" }).click();
    await page.locator("pre", { hasText: "import duckdb" }).waitFor();
    const waiting = page.waitForEvent("download");
    await page
      .getByRole("link", { name: /^Download/ })
      .first()
      .click();
    const bytes = readFileSync(await (await waiting).path());
    assert.deepEqual([bytes.subarray(0, 4).toString(), bytes.subarray(-4).toString()], ["PAR1", "PAR1"]);
  });

  await step("a summary by group fits itself to the columns", async () => {
    await page.getByRole("link", { name: "Data sets", exact: true }).click();
    await page.locator("table").getByRole("link", { name: "cities.csv" }).click();
    await page.getByRole("link", { name: "New pipeline" }).click();
    await page.getByRole("button", { name: /Summarise by group/ }).click();
    await page.getByText("Checked: it can run.").waitFor();
    await look(page, "pipeline-summary");
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("columnheader", { name: "population_sum" }).waitFor();
  });

  await step("a file that is no data is refused with its reason", async () => {
    await page.getByRole("link", { name: "Data sets", exact: true }).click();
    const noise = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 167) % 256));
    await page.getByLabel("Choose files").setInputFiles({ name: "noise.bin", mimeType: "", buffer: noise });
    await page.locator("tr", { hasText: "noise.bin" }).getByText("Cannot be read").waitFor();
    await page.locator("table").getByRole("link", { name: "noise.bin" }).click();
    await page.getByRole("alert").getByText(/Code /).waitFor();
    await look(page, "dataset-refused");
  });

  await step("rows that cannot be used are shown before the run and kept after it", async () => {
    await page.getByRole("link", { name: "Data sets", exact: true }).click();
    const rows = Array.from({ length: 300 }, (_, row) => (row === 7 ? "7,oak,too,many" : `${row},tree ${row}`));
    await drop(file("trees.csv", ["id,name", ...rows]));
    await ready("trees.csv");
    await page.locator("table").getByRole("link", { name: "trees.csv" }).click();
    await page.getByRole("link", { name: "New pipeline" }).click();
    await page.getByRole("button", { name: "Limit", exact: true }).click();
    await page.getByLabel("Keep this many rows").fill("1000");
    await page.getByRole("button", { name: "Sort", exact: true }).click();
    await page.getByRole("button", { name: "Add a column" }).click();
    await page.getByText("Checked: it can run.").waitFor();
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByText("7,oak,too,many").waitFor();
    await look(page, "pipeline-rejects");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("1 row could not be used and was set aside.").waitFor();
    await page.getByRole("button", { name: "Show them" }).click();
    const rejected = page.getByRole("region", { name: "Rejected rows" });
    await rejected.getByRole("cell", { name: "7,oak,too,many", exact: true }).waitFor();
    await look(page, "job-rejects");
    const waiting = page.waitForEvent("download");
    await page.getByRole("link", { name: "Download 1 rejected" }).click();
    assert.match(readFileSync(await (await waiting).path(), "utf8"), /7,oak,too,many/);
  });

  await step("nothing complained", async () => assert.deepEqual(complaints, []));
} finally {
  await browser.close();
}
