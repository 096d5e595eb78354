// An upload that a crash cut short: real parts, a storage that refuses and drops some of them, a reload in between.
// Needs a running stack: BASE_URL=http://127.0.0.1:8000.
import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch, look, shot, signUp, stepper, visit } from "./browser.mjs";

const MB = 1_000_000;
const ROWS_PER_BLOCK = 20_000;
const folder = mkdtempSync(join(tmpdir(), "karyaksham-e2e-"));
const path = join(folder, "measurements.csv");
writeFileSync(path, "sensor,value,note\n");
const line = (row) =>
  `${row % 97},${((row * 7919) % 1000) / 10},a reading of the sensor in the hall number ${row % 13}\n`;
const block = Array.from({ length: ROWS_PER_BLOCK }, (_, row) => line(row)).join("");
let rows = 0;
for (let size = 0; size < 230 * MB; size += block.length) {
  appendFileSync(path, block);
  rows += ROWS_PER_BLOCK;
}

const browser = await launch();
const { context, page, complaints } = await visit(browser);
page.on("dialog", (dialog) => dialog.accept());
const step = stepper(page, complaints);
/** The number of the part that a request sends, null for any other request. */
const partOf = (request) => (request.method() === "PUT" ? new URL(request.url()).searchParams.get("partNumber") : null);
/** What became of the parts sent since this was last emptied: `2: 200`, in order of arrival. */
const outcomes = [];
const note = (request, outcome) => {
  if (partOf(request)) outcomes.push(`${partOf(request)}: ${outcome}`);
};
page.on("response", (response) => note(response.request(), response.status()));
page.on("requestfailed", (request) => note(request, "no answer"));
/** The file has four parts. These stay on the way until the reload, so that exactly the other two are complete by then. */
const HELD = ["3", "4"];
const numbered =
  (...parts) =>
  (url) =>
    parts.includes(url.searchParams.get("partNumber"));
/** Narrow the line to the storage, in bytes per second; null opens it. */
const devtools = await context.newCDPSession(page);
const narrow = (speed) =>
  devtools.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: speed ?? -1,
  });

try {
  await step("sign up", () => signUp(page, "Ravi"));

  await step("an upload over a narrow line shows progress, speed and time left", async () => {
    await narrow(40 * MB);
    await page.route(numbered(...HELD), () => undefined);
    await page.getByLabel("Choose files").setInputFiles(path);
    await page.getByText(/MB\/s · .* left/).waitFor();
    await look(page, "upload");
  });

  await step("pause and resume", async () => {
    await page.getByRole("button", { name: "Pause measurements.csv" }).click();
    await page.getByText(/^Paused/).waitFor();
    await page.getByRole("button", { name: "Resume measurements.csv" }).click();
    await page.locator('[data-status="uploading"]').waitFor();
  });

  await step("it goes on while one looks at other pages", async () => {
    await page.getByRole("link", { name: "Jobs", exact: true }).click();
    await page.getByRole("complementary", { name: "Uploads" }).waitFor();
    await look(page, "upload-elsewhere");
    await page.getByRole("link", { name: "Show" }).click();
  });

  await step("a reload cuts it short; the page remembers", async () => {
    const whole = (part) => outcomes.includes(`${part}: 200`);
    // one that the pause met between its last byte and its answer is not sent again: the storage has it
    const still = page.getByText(/^134 MB of \d+ MB · 0 B\/s/);
    const started = Date.now();
    while (!(whole(1) && whole(2)) && !(await still.isVisible())) {
      assert.ok(Date.now() - started < 60_000, `two parts have not arrived: ${outcomes}`);
      await page.waitForTimeout(50);
    }
    assert.ok(!HELD.some(whole), String(outcomes));
    await page.reload();
    await page.getByText("Unfinished uploads").waitFor();
    await look(page, "upload-unfinished");
  });

  await step("choosing the file again sends the rest only, through a storage with faults", async () => {
    await narrow(null);
    await page.unrouteAll();
    outcomes.length = 0;
    complaints.length = 0;
    // once each: one part is refused as if its link had run out, the other one loses its connection
    const refused = { status: 403, headers: { "access-control-allow-origin": "*" } };
    const faults = new Map([
      ["3", (route) => route.fulfill(refused)],
      ["4", (route) => route.abort("connectionreset")],
    ]);
    await page.route(numbered(...HELD), (route) => {
      const part = partOf(route.request());
      const fault = faults.get(part) ?? (() => route.continue());
      faults.delete(part);
      return fault(route);
    });
    await page.getByLabel("Choose files").setInputFiles(path);
    await page.locator('[data-upload="measurements.csv"][data-status="done"]').waitFor({ timeout: 60_000 });
    assert.deepEqual(outcomes.toSorted(), ["3: 200", "3: 403", "4: 200", "4: no answer"]);
    assert.equal(await page.getByText("Unfinished uploads").count(), 0);
  });

  await step("the file arrived whole", async () => {
    await page.locator("tr", { hasText: "measurements.csv" }).getByText("Ready").waitFor({ timeout: 60_000 });
    await page.locator("table").getByRole("link", { name: "measurements.csv" }).click();
    await page.getByRole("link", { name: "New pipeline" }).click();
    await page.getByRole("button", { name: "Aggregate", exact: true }).click();
    await page.getByLabel("Format of the result").selectOption("csv");
    await page.getByText("Checked: it can run.").waitFor();
    await page.getByRole("button", { name: "Run" }).click();
    await page.waitForURL(/\/jobs\//);
    await page.getByText("Succeeded").waitFor({ timeout: 120_000 });
    await page.getByRole("cell", { name: String(rows), exact: true }).waitFor();
  });

  await step("a running job is watched live and cancelled", async () => {
    await page.getByRole("link", { name: "Pipeline", exact: true }).click();
    await page.getByRole("button", { name: "Sort", exact: true }).click();
    await page.getByRole("button", { name: "Edit as JSON" }).click();
    // pairs of rows of the same sensor, tens of milliards of them: no engine is done before the click
    const query = "SELECT count(*) AS pairs FROM input a JOIN input b ON a.sensor = b.sensor WHERE a.value < b.value";
    const steps = [{ sql: { query } }];
    await page.getByLabel("Specification").fill(JSON.stringify({ version: 1, steps, output: { format: "parquet" } }));
    await page.getByText("Checked: it can run.").waitFor();
    await page.getByRole("button", { name: "Run" }).click();
    await page.waitForURL(/\/jobs\//);
    await page.getByRole("progressbar", { name: "Progress of the job" }).waitFor();
    await shot(page, "job-running");
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("Cancelled", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Run again" }).waitFor();
    await look(page, "job-cancelled");
  });
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
