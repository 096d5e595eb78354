// Every page of the application with real data: accessible in both themes, and no wider than a tablet. With PICTURES=folder
// it also leaves the README's pictures there. Needs BASE_URL, ADMIN_EMAIL and ADMIN_PASSWORD of a stack.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BASE_URL, launch, look, signUp, stepper, visit } from "./browser.mjs";
import { Api, named } from "./shared/api.mjs";
import { customers, log, orders } from "./shared/made.mjs";

const { ADMIN_EMAIL, ADMIN_PASSWORD, PICTURES } = process.env;
assert.ok(ADMIN_EMAIL && ADMIN_PASSWORD, "set ADMIN_EMAIL and ADMIN_PASSWORD (they stand in the stack's ready file)");
const ROWS = Number(process.env.ROWS ?? 20_000);
const TABLET = 768;

const router = readFileSync(new URL("../src/app/router.tsx", import.meta.url), "utf8");
/** The paths of all pages; these two only lead to others. */
const PATHS = [...router.matchAll(/path: "([^"]+)"/g)]
  .map(([, path]) => path)
  .filter((path) => path !== "/" && path !== "/index.html");
const seen = new Set();

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);

/** Go to a place, wait for what tells that it is whole, look at it; `picture` names it in the README. */
async function see(place, whole, name, picture) {
  await page.goto(`${BASE_URL}${place}`);
  await whole().first().waitFor();
  await page.getByText(/…$/).and(page.getByRole("status")).first().waitFor({ state: "detached" });
  const path = new URL(page.url()).pathname;
  const pattern = PATHS.filter((each) => new RegExp(`^${each.replaceAll(/\$\w+/g, "[^/]+")}$`).test(path));
  // the plain path before the one with a parameter: /pipelines/new
  seen.add(pattern.find((each) => !each.includes("$")) ?? pattern[0]);
  await look(page, name);
  await page.setViewportSize({ width: TABLET, height: 1024 });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= TABLET, `${name} is ${width} pixels wide on a tablet of ${TABLET}`);
  await page.setViewportSize({ width: 1280, height: 900 });
  if (picture) await take(picture);
}

/** What is in sight, in both themes, as WebP. */
async function take(name) {
  if (!PICTURES) return;
  mkdirSync(PICTURES, { recursive: true });
  const devtools = await page.context().newCDPSession(page);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    const { data } = await devtools.send("Page.captureScreenshot", { format: "webp", quality: 85 });
    writeFileSync(join(PICTURES, `${name}-${colorScheme}.webp`), Buffer.from(data, "base64"));
  }
  await page.emulateMedia({ colorScheme: "light", reducedMotion: null });
  await devtools.detach();
}

const PRICES = { name: "input", format: "csv", columns: [{ name: "unit_price", type: "decimal(12,2)" }] };
const CLEAN = {
  version: 1,
  inputs: [PRICES],
  steps: [
    { filter: { where: "country = 'India' AND quantity > 2" } },
    { derive: { columns: [{ name: "total", expr: "quantity * unit_price" }] } },
    { join: { input: "customers", how: "left", on: [{ left: "customer_id", right: "customer_id" }] } },
    { sort: { by: [{ column: "total", descending: true }] } },
  ],
  output: { format: "parquet", compression: "zstd" },
};
const BY_CITY = {
  version: 1,
  steps: [
    {
      aggregate: {
        groupBy: ["country", "city"],
        aggregates: [
          { name: "orders", expr: "count(*)" },
          { name: "units", expr: "sum(quantity)" },
        ],
      },
    },
    { sort: { by: [{ column: "units", descending: true }] } },
  ],
  output: { format: "csv" },
};
const ERRORS = { version: 1, steps: [{ filter: { where: "line LIKE '%ERROR%'" } }], output: { format: "lines" } };
const STRICT = {
  version: 1,
  inputs: [PRICES],
  onBadRow: "fail",
  steps: [],
  output: { format: "parquet" },
};

const heading = (name) => () => page.getByRole("heading", { name, exact: true });
const made = {};

try {
  await step("the pages before sign-in", async () => {
    await see("/sign-in", heading("Sign in"), "sign-in");
    await see("/sign-up", () => page.getByRole("button", { name: "Make account" }), "sign-up");
  });

  await step("every page while there is nothing", async () => {
    made.email = await signUp(page, "Asha");
    await see("/datasets", () => page.getByText("No data sets yet"), "datasets-none");
    await see("/pipelines", () => page.getByText("No pipelines yet"), "pipelines-none");
    await see("/pipelines/new", () => page.getByLabel("Name of the pipeline"), "pipeline-none");
    await see("/jobs", () => page.getByText("No jobs yet"), "jobs-none");
    await see("/schedules", () => page.getByText("No schedules yet"), "schedules-none");
    await see("/schedules/new", heading("New schedule"), "schedule-none");
    await see("/webhooks", () => page.getByText("No webhooks yet"), "webhooks-none");
    for (const [place, what] of [
      ["datasets", "data set"],
      ["pipelines", "pipeline"],
      ["jobs", "job"],
      ["schedules", "schedule"],
      ["webhooks", "webhook"],
    ]) {
      await page.goto(`${BASE_URL}/${place}/bm9uZQ`);
      await page.getByText(`There is no such ${what}.`).waitFor();
    }
    await look(page, "missing");
    await page.goto(`${BASE_URL}/nowhere`);
    await page.getByText("There is no such page.").waitFor();
    await look(page, "nowhere");
  });

  await step("data, pipelines, jobs, a schedule, a webhook", async () => {
    const api = await Api.logIn(made.email, "a long enough password");
    made.orders = await api.upload("orders-2026.csv", orders(ROWS, 997));
    made.customers = await api.upload("customers.csv", customers());
    made.log = await api.upload("gateway.log", log(ROWS));
    made.clean = await api.pipeline("Orders of India", CLEAN);
    made.job = await api.start(made.clean, { input: made.orders, customers: made.customers });
    const jobs = [
      made.job,
      await api.start(await api.pipeline("Units by city", BY_CITY), { input: made.orders }),
      await api.start(await api.pipeline("Errors of the gateway", ERRORS), { input: made.log }),
    ];
    for (const job of jobs) assert.equal(await api.ended(job), "SUCCEEDED");
    const rows = "query($id: ID!) { job(id: $id) { result { rows } } }";
    made.rows = (await api.ask(rows, { id: made.job })).job.result.rows;
    made.failed = await api.start(await api.pipeline("Strict prices", STRICT), { input: made.orders });
    assert.equal(await api.ended(made.failed), "FAILED");
    const schedule = `mutation($i: CreateScheduleInput!) { createSchedule(input: $i) { ... on CreateScheduleSuccess {
      schedule { id } } ... on Error { code message } } }`;
    const inputs = named({ input: made.orders, customers: made.customers });
    const cron = { pipelineId: made.clean, cron: "30 6 * * 1-5", timeZone: "Asia/Kolkata", inputs };
    made.schedule = (await api.ask(schedule, { i: cron })).createSchedule.schedule.id;
    const webhook = `mutation($i: CreateWebhookInput!) { createWebhook(input: $i) { ... on CreateWebhookSuccess {
      webhook { id } } ... on Error { code message } } }`;
    const url = "http://127.0.0.1:9/karyaksham";
    made.webhook = (await api.ask(webhook, { i: { url } })).createWebhook.webhook.id;
    const token = `mutation($i: CreateApiTokenInput!) { createApiToken(input: $i) { ... on CreateApiTokenSuccess {
      apiToken { id } } ... on Error { code message } } }`;
    await api.ask(token, { i: { name: "notebook", scopes: ["READ"] } });
  });

  await step("data sets", async () => {
    await see("/datasets", () => page.getByRole("link", { name: "orders-2026.csv" }), "datasets", "datasets");
    await page.goto(`${BASE_URL}/datasets/${made.orders}`);
    await page.getByRole("button", { name: "Profile all rows" }).click();
    await page.getByText(/rows counted\.$/).waitFor();
    await look(page, "dataset-profiled");
    await take("dataset");
    await see(`/datasets/${made.orders}`, () => page.getByRole("cell", { name: /^\d+$/ }), "dataset");
    await see(`/datasets/${made.log}`, () => page.getByRole("cell", { name: /request 0 took/ }), "dataset-log");
  });

  await step("pipelines", async () => {
    await see("/pipelines", () => page.getByRole("link", { name: "Orders of India" }), "pipelines");
    await see(`/pipelines/new?dataset=${made.orders}`, () => page.getByText("Checked: it can run."), "pipeline-new");
    await page.goto(`${BASE_URL}/pipelines/${made.clean}?dataset=${made.orders}`);
    await page.getByLabel("Data set “customers”").selectOption({ label: "customers.csv" });
    await page.getByText("Checked: it can run.").waitFor();
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("region", { name: "Beginning of the result" }).waitFor();
    await look(page, "pipeline");
    await take("pipeline");
    seen.add("/pipelines/$id");
  });

  await step("jobs", async () => {
    await see("/jobs", () => page.getByRole("link", { name: "Strict prices" }), "jobs");
    await see(`/jobs/${made.job}`, () => page.getByRole("region", { name: /First rows/ }), "job", "job");
    await see(
      `/jobs/${made.failed}`,
      () => page.getByRole("region", { name: "The row at fault" }),
      "job-failed",
      "job-failed",
    );
  });

  await step("schedules, webhooks, workspace, account", async () => {
    await see("/schedules", () => page.getByRole("link", { name: "Orders of India" }), "schedules");
    await see("/schedules/new", () => page.getByRole("button", { name: "Make schedule" }), "schedule-new");
    await see(`/schedules/${made.schedule}`, () => page.getByRole("button", { name: "Pause" }), "schedule");
    await see("/webhooks", () => page.getByRole("link", { name: /127\.0\.0\.1/ }), "webhooks");
    await see(`/webhooks/${made.webhook}`, () => page.getByRole("button", { name: "Delete" }), "webhook");
    await see("/workspace", () => page.getByLabel("Name of the workspace"), "workspace");
    await see("/account", () => page.getByText("notebook"), "account");
  });

  await step("what administrators see", async () => {
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("E-mail").fill(ADMIN_EMAIL);
    await page.getByLabel("Password").fill(ADMIN_PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("link", { name: "Status" }).click();
    const group = page.getByRole("group", { name: "Show", exact: true });
    await group.waitFor();
    const views = await group.getByRole("button").allTextContents();
    assert.ok(views.length >= 6);
    await see("/admin", () => page.getByRole("img", { name: /^Bytes read/ }), "admin", "status");
    for (const view of views.slice(1)) {
      await group.getByRole("button", { name: view, exact: true }).click();
      await page.getByText(/…$/).and(page.getByRole("status")).first().waitFor({ state: "detached" });
      await look(page, `admin-${view.toLowerCase().replaceAll(" ", "-")}`);
    }
  });

  await step("no page was left out, nothing complained", async () => {
    assert.deepEqual(
      PATHS.filter((path) => !seen.has(path)),
      [],
    );
    assert.deepEqual(complaints, []);
  });
} finally {
  await browser.close();
}
