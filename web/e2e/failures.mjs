// A job that fails says why beside the row at fault; its log is searched; it is run again; what went right has a receipt.
// Needs a running stack: BASE_URL=http://127.0.0.1:8000.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { launch, look, signUp, stepper, visit } from "./browser.mjs";
import { Api } from "./shared/api.mjs";

const text = (bad) =>
  `id,amount\n${Array.from({ length: 400 }, (_, row) => `${row},${row === bad ? "ten" : row * 2}`).join("\n")}\n`;
const INPUT = {
  name: "input",
  format: "csv",
  columns: [
    { name: "id", type: "int64" },
    { name: "amount", type: "int64" },
  ],
};
const steps = [{ filter: { where: "amount >= 400" } }, { limit: { rows: 50 } }];

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);

try {
  let api;
  let dataset = "";
  await step("a file with one bad row, and a pipeline that takes none", async () => {
    api = await Api.logIn(await signUp(page, "Fern"), "a long enough password");
    dataset = await api.upload("amounts.csv", text(250));
    const spec = { version: 1, inputs: [INPUT], onBadRow: "fail", steps, output: { format: "csv" } };
    await api.ended(await api.start(await api.pipeline("Strict", spec), { input: dataset }));
  });

  await step("the page of the failed job shows the row at fault as it stands in the file", async () => {
    await page.getByRole("link", { name: "Jobs", exact: true }).click();
    await page.locator("tbody").getByRole("link", { name: "Strict" }).click();
    await page.getByText(/^Code BAD_ROW/).waitFor();
    const shown = page.getByRole("region", { name: "The row at fault" });
    await shown.waitFor();
    assert.deepEqual(await shown.getByRole("listitem").allTextContents(), [
      "250248,496",
      "251249,498",
      "252250,ten",
      "253251,502",
      "254252,504",
    ]);
    assert.equal(await shown.locator("[aria-current]").textContent(), "252250,ten");
    await look(page, "job-failed");
  });

  await step("the log is searched", async () => {
    const log = page.getByRole("list", { name: "Log of the job" }).getByRole("listitem");
    await log.first().waitFor();
    const all = await log.count();
    await page.getByLabel("Search the log").fill("error");
    await page.getByText(new RegExp(`^\\d+ lines? of ${all}$`)).waitFor();
    assert.ok((await log.count()) < all);
    await page.getByLabel("Search the log").fill("no such text");
    await page.getByText("No line has this text.").waitFor();
    await page.getByLabel("Search the log").fill("");
    assert.equal(await log.count(), all);
  });

  await step("its history has each attempt, and it can be run again from the list", async () => {
    await page.getByText(/^History/).click();
    const history = page.getByRole("list", { name: "History of the job" }).getByRole("listitem");
    await history.filter({ hasText: "Failed" }).first().waitFor();
    await page.getByRole("link", { name: "Jobs", exact: true }).click();
    await page.getByRole("button", { name: "Run again: Strict" }).click();
    await page
      .locator("tbody tr")
      .filter({ hasText: "Strict" })
      .getByText(/Waiting|Running/)
      .or(page.getByText("Failed", { exact: true }))
      .first()
      .waitFor();
    await page.locator("tbody").getByRole("link", { name: "Strict" }).click();
    await page.getByText(/^Code BAD_ROW/).waitFor();
    await page.getByText(/^History/).click();
    await history.filter({ hasText: "Queued again by a person" }).waitFor();
  });

  await step("with the bad row set aside: rows by step, rejected rows beside them, a receipt to keep", async () => {
    const spec = { version: 1, inputs: [INPUT], steps, output: { format: "csv" } };
    const job = await api.start(await api.pipeline("Lenient", spec), { input: dataset });
    assert.equal(await api.ended(job), "SUCCEEDED");
    await page.getByRole("link", { name: "Jobs", exact: true }).click();
    await page.locator("tbody").getByRole("link", { name: "Lenient" }).click();
    const rows = page.getByRole("region", { name: "Rows by step" }).locator("tbody tr");
    await rows.first().waitFor();
    const cells = await rows.evaluateAll((list) => list.map((row) => [...row.cells].map((cell) => cell.textContent)));
    assert.deepEqual(
      cells.map((row) => row[1]),
      ["filter", "limit"],
    );
    assert.equal(cells[1][3], "50");
    await page.getByText("1 row could not be used and was set aside.").waitFor();
    await page.getByRole("button", { name: "Show them" }).click();
    await page.getByRole("region", { name: "Rejected rows" }).getByRole("cell", { name: "250,ten" }).waitFor();
    const waiting = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download as JSON" }).click();
    const receipt = JSON.parse(readFileSync(await (await waiting).path(), "utf8"));
    assert.equal(receipt.rowsIn, 400);
    assert.equal(receipt.rowsOut + receipt.rowsFiltered + receipt.rowsRejected, 400);
    await look(page, "job-rejects");
  });

  await step("nothing complained", async () => assert.deepEqual(complaints, []));
} finally {
  await browser.close();
}
