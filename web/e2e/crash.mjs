// A worker is killed while its job is watched: the page says so by itself, and sees the next attempt begin.
// Needs BASE_URL, ADMIN_EMAIL and ADMIN_PASSWORD of a stack on this machine.
import assert from "node:assert/strict";
import { hostname } from "node:os";
import { BASE_URL, launch, look, signUp, stepper, visit } from "./browser.mjs";
import { Api } from "./shared/api.mjs";

const { ADMIN_EMAIL, ADMIN_PASSWORD } = process.env;
assert.ok(ADMIN_EMAIL && ADMIN_PASSWORD, "set ADMIN_EMAIL and ADMIN_PASSWORD (they stand in the stack's ready file)");
/** A lease that nobody renews ends after half a minute; the rest is for a machine with much to do. */
const RECOVERED = { timeout: 180_000 };

const rows = Array.from({ length: 30_000 }, (_, row) => `${row % 7},${(row * 7919) % 1000}`);
// a hundred million pairs of rows, each hashed several times: in little memory, and not done before the drive
const hashed = (text) => `encode(sha512(${text}), 'hex')`;
const ENDLESS = {
  version: 1,
  steps: [
    {
      sql: {
        query: `SELECT count(*) AS n FROM input a JOIN input b ON a.sensor = b.sensor WHERE ${hashed(hashed(hashed(hashed("concat(a.value, '/', b.value)"))))} = ''`,
      },
    },
  ],
  output: { format: "csv" },
};

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);
const admin = await Api.logIn(ADMIN_EMAIL, ADMIN_PASSWORD);
let api;
let job = "";

try {
  await step("a job runs, and its page is open", async () => {
    api = await Api.logIn(await signUp(page, "Prem"), "a long enough password");
    const dataset = await api.upload("sensors.csv", `${["sensor,value", ...rows].join("\n")}\n`);
    job = await api.start(await api.pipeline("Long work", ENDLESS), { input: dataset });
    await page.goto(`${BASE_URL}/jobs/${job}`);
    await page.getByText("Running", { exact: true }).waitFor();
    await page.getByRole("progressbar", { name: "Progress of the job" }).waitFor();
  });

  await step("its worker is killed: the page shows the next attempt, without a reload", async () => {
    // the page was loaded once: what it shows from here on came over its socket
    await page.evaluate(() => {
      globalThis.loadedOnce = true;
    });
    const { systemStatus } = await admin.ask("{ systemStatus { workers { id state } } }");
    const alive = systemStatus.workers.filter(({ state }) => state === "READY");
    assert.ok(alive.length > 0, JSON.stringify(systemStatus.workers));
    for (const { id } of alive) {
      const [host, pid] = id.split(":");
      assert.equal(host, hostname(), "the worker runs on this machine");
      process.kill(Number(pid), "SIGKILL");
    }
    await page.getByText("attempt 2 of 3", { exact: true }).waitFor(RECOVERED);
    await page.getByText("Running", { exact: true }).waitFor(RECOVERED);
    assert.equal(await page.evaluate(() => globalThis.loadedOnce), true);
    await page.getByText(/^History/).click();
    const history = page.getByRole("list", { name: "History of the job" }).getByRole("listitem");
    await history.filter({ hasText: "Queued again: the attempt broke off" }).first().waitFor();
    await look(page, "job-second-attempt");
  });

  await step("its log tells of both attempts, and it is cancelled as ever", async () => {
    const log = page.getByRole("list", { name: "Log of the job" });
    await log
      .getByText(/stopped answering during attempt 1/)
      .first()
      .waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByText("Cancelled", { exact: true }).waitFor();
  });

  await step("nothing complained", async () => assert.deepEqual(complaints, []));
} finally {
  // a failure in between must not leave the others an engine at work
  await api
    ?.ask("mutation($i: CancelJobInput!) { cancelJob(input: $i) { __typename } }", { i: { id: job } })
    .catch(() => undefined);
  await browser.close();
}
