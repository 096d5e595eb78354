// Every page of the application, with real data and in the states that a page has: whoever looks at all of them walks here,
// so that a new page is looked at without anyone remembering.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { BASE_URL, launch, signUp, stepper, visit } from "../browser.mjs";
import { Api } from "./api.mjs";
import { code } from "./totp.mjs";
import { fill } from "./workspace.mjs";

const { ADMIN_EMAIL, ADMIN_PASSWORD } = process.env;
const TABLET = 768;
const PASSWORD = "a long enough password";

const router = readFileSync(new URL("../../src/app/router.tsx", import.meta.url), "utf8");
/** The paths of all pages; these two only lead to others. */
const PATHS = [...router.matchAll(/path: "([^"]+)"/g)]
  .map(([, path]) => path)
  .filter((path) => path !== "/" && path !== "/index.html");

/**
 * Go through every page and its states. Where a page is whole, `watch(page, name, picture)` looks at it; `picture` is the
 * name of one for the README. `busy`: the status page is seen while many jobs run. `begin` makes the page ready.
 */
export async function everyPage({ rows, watch, busy = false, begin = (page) => page }) {
  assert.ok(ADMIN_EMAIL && ADMIN_PASSWORD, "set ADMIN_EMAIL and ADMIN_PASSWORD (they stand in the stack's ready file)");
  const browser = await launch();
  const visited = await visit(browser);
  const { complaints } = visited;
  const page = await begin(visited.page);
  const step = stepper(page, complaints);
  const seen = new Set();
  const heading = (name) => () => page.getByRole("heading", { name, exact: true });
  const settled = () => page.getByText(/…$/).and(page.getByRole("status")).first().waitFor({ state: "detached" });

  /** The page that is open is whole once this is there: look at it. */
  const here = async (whole, name, picture) => {
    await whole().first().waitFor();
    await settled();
    const path = new URL(page.url()).pathname;
    const fitting = PATHS.filter((each) => new RegExp(`^${each.replaceAll(/\$\w+/g, "[^/]+")}$`).test(path));
    // the plain path before the one with a parameter: /pipelines/new
    seen.add(fitting.find((each) => !each.includes("$")) ?? fitting[0]);
    const size = page.viewportSize();
    await watch(page, name, picture);
    await page.setViewportSize({ width: TABLET, height: 1024 });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= TABLET, `${name} is ${width} pixels wide on a tablet of ${TABLET}`);
    await page.setViewportSize(size);
  };
  const see = async (place, whole, name, picture) => {
    await page.goto(`${BASE_URL}${place}`);
    await here(whole, name, picture);
  };
  const signIn = async (email, password) => {
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
  };
  const open = () =>
    page.evaluate(() => {
      for (const details of document.querySelectorAll("details")) details.open = true;
    });

  try {
    await step("the pages before sign-in", async () => {
      await see("/sign-in", () => page.getByRole("link", { name: "Make an account" }), "sign-in");
      // the first refresh without a cookie is refused, as it should be
      complaints.length = 0;
      await signIn("nobody@example.org", "not the password");
      await here(() => page.getByRole("alert"), "sign-in-refused");
      await see("/sign-in?problem=OIDC_EMAIL_TAKEN", () => page.getByRole("alert"), "sign-in-problem");
      await see("/sign-up", () => page.getByRole("button", { name: "Make account" }), "sign-up");
      await see("/forgot-password", () => page.getByRole("button", { name: "Send link" }), "forgot-password");
      await page.getByLabel("E-mail").fill("nobody@example.org");
      await page.getByRole("button", { name: "Send link" }).click();
      await here(() => page.getByText(/a link is on its way/), "forgot-password-sent");
      await see("/new-password#made-up", () => page.getByRole("button", { name: "Set password" }), "new-password");
      await see("/verify-email#made-up", () => page.getByRole("button", { name: "It is mine" }), "verify-email");
      await page.getByRole("button", { name: "It is mine" }).click();
      await here(() => page.getByRole("alert"), "verify-email-refused");
      complaints.length = 0;
    });

    await step("a second factor", async () => {
      const email = await signUp(page, "Uma");
      await page.goto(`${BASE_URL}/account`);
      await page.getByRole("button", { name: "Send the link again" }).click();
      await here(() => page.getByText(/A link is on its way/), "account-mailed");
      await page.getByLabel("Your password").fill(PASSWORD);
      await page.getByRole("button", { name: "Set up" }).click();
      await here(() => page.getByRole("img", { name: /QR code/ }), "account-second-factor");
      await page.getByLabel("Code").fill(code(await page.locator("pre").textContent()));
      await page.getByRole("button", { name: "Turn on" }).click();
      await here(() => page.getByText(/Keep these recovery codes/), "account-recovery-codes");
      await page.getByRole("button", { name: "New recovery codes" }).click();
      await here(() => page.getByRole("button", { name: "Make new codes" }), "account-new-codes");
      await page.getByRole("button", { name: "Sign out", exact: true }).click();
      await signIn(email, PASSWORD);
      await here(() => page.getByLabel("Code"), "sign-in-code");
      await page.getByRole("button", { name: "Begin anew" }).click();
      await heading("Sign in")().waitFor();
    });

    const email = await signUp(page, "Asha");
    await step("every page while there is nothing", async () => {
      await see("/datasets", () => page.getByText("No data sets yet"), "datasets-none");
      await see("/pipelines", () => page.getByText("No pipelines yet"), "pipelines-none");
      await see("/pipelines/new", () => page.getByLabel("Name of the pipeline"), "pipeline-none");
      await see("/jobs", () => page.getByText("No jobs yet"), "jobs-none");
      await see("/schedules", () => page.getByText("No schedules yet"), "schedules-none");
      await see("/schedules/new", heading("New schedule"), "schedule-none");
      await see("/webhooks", () => page.getByText("No webhooks yet"), "webhooks-none");
      await see("/admin", () => page.getByText("This page is for administrators."), "admin-refused");
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
      await watch(page, "missing");
      await page.goto(`${BASE_URL}/nowhere`);
      await page.getByText("There is no such page.").waitFor();
      await watch(page, "nowhere");
    });

    const api = await Api.logIn(email, PASSWORD);
    let made = {};
    await step("data, pipelines, jobs, a schedule, a webhook", async () => {
      made = await fill(api, rows);
    });

    await step("data sets", async () => {
      await page.goto(`${BASE_URL}/datasets`);
      const noise = Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 167) % 256));
      await page.getByLabel("Choose files").setInputFiles({ name: "noise.bin", mimeType: "", buffer: noise });
      await page.locator("tr", { hasText: "noise.bin" }).getByText("Cannot be read").waitFor();
      await here(() => page.locator('[data-status="done"]'), "datasets-uploaded");
      await page.locator("table").getByRole("link", { name: "noise.bin" }).click();
      await here(() => page.getByRole("alert").getByText(/Code /), "dataset-refused");
      await page.getByRole("button", { name: "Delete" }).click();
      await page.getByRole("button", { name: "Really delete?" }).click();
      await see("/datasets", () => page.getByRole("link", { name: "orders-2026.csv" }), "datasets", "datasets");
      const cells = () => page.getByRole("cell", { name: /^\d+$/ });
      await see(`/datasets/${made.orders}`, cells, "dataset", "dataset");
      await page.getByRole("button", { name: "Profile all rows" }).click();
      await here(() => page.getByText(/rows counted/), "dataset-profiled");
      await see(`/datasets/${made.log}`, () => page.getByRole("cell", { name: /request 0 took/ }), "dataset-log");
    });

    await step("pipelines", async () => {
      await see("/pipelines", () => page.getByRole("link", { name: "Orders of India" }), "pipelines");
      const checked = () => page.getByText("Checked: it can run.");
      await see(`/pipelines/new?dataset=${made.orders}`, checked, "pipeline-new");
      await page.goto(`${BASE_URL}/pipelines/${made.clean}?dataset=${made.orders}`);
      await page.getByLabel("Data set “customers”").selectOption({ label: "customers.csv" });
      await checked().waitFor();
      await page.getByRole("button", { name: "Preview" }).click();
      const preview = () => page.getByRole("region", { name: "Beginning of the result" });
      await here(preview, "pipeline", "pipeline");
      await open();
      await here(preview, "pipeline-open");
      await page.getByRole("button", { name: "Edit as JSON" }).click();
      await page.getByLabel("Specification").fill("{");
      await here(() => page.getByLabel("Specification"), "pipeline-json");
    });

    await step("jobs", async () => {
      await see("/jobs", () => page.getByRole("link", { name: "Strict prices" }), "jobs");
      await see(`/jobs/${made.job}`, () => page.getByRole("region", { name: /First rows/ }), "job", "job");
      await open();
      await here(() => page.getByText('"version": 1'), "job-open");
      await see(`/jobs/${made.text}`, () => page.getByRole("region", { name: /First rows/ }), "job-text");
      const fault = () => page.getByRole("region", { name: "The row at fault" });
      await see(`/jobs/${made.failed}`, fault, "job-failed");
    });

    await step("schedules, webhooks, workspace, account", async () => {
      await see("/schedules", () => page.getByRole("link", { name: "Orders of India" }), "schedules");
      await see("/schedules/new", () => page.getByRole("button", { name: "Make schedule" }), "schedule-new");
      await see(`/schedules/${made.schedule}`, () => page.getByRole("button", { name: "Pause" }), "schedule");
      await see("/webhooks", () => page.getByRole("link", { name: /127\.0\.0\.1/ }), "webhooks");
      await see(`/webhooks/${made.webhook}`, () => page.getByText("Given up", { exact: true }), "webhook");
      await see("/workspace", () => page.getByLabel("Name of the workspace"), "workspace");
      await see("/account", () => page.getByText("notebook"), "account");
    });

    await step("a page that waits, and one that gets no answer", async () => {
      await page.goto(`${BASE_URL}/datasets`);
      await page.getByRole("link", { name: "orders-2026.csv" }).waitFor();
      await page.route("**/graphql", () => undefined);
      await page.getByRole("link", { name: "Jobs", exact: true }).click();
      await page.getByText("Loading jobs").waitFor();
      await watch(page, "jobs-loading");
      assert.deepEqual(complaints, []);
      await page.unrouteAll({ behavior: "ignoreErrors" });
      await page.route("**/graphql", (route) => route.abort());
      await page.getByRole("link", { name: "Pipelines", exact: true }).click();
      await page.getByText("This could not be loaded.").waitFor();
      await watch(page, "pipelines-unreachable");
      await page.unrouteAll({ behavior: "ignoreErrors" });
      await page.reload();
      await page.getByRole("link", { name: "Orders of India" }).waitFor();
      complaints.length = 0;
    });

    await step("what administrators see", async () => {
      await page.getByRole("button", { name: "Sign out" }).click();
      await signIn(ADMIN_EMAIL, ADMIN_PASSWORD);
      await page.getByRole("link", { name: "Status" }).click();
      const group = page.getByRole("group", { name: "Show", exact: true });
      await group.waitFor();
      const chart = () => page.getByRole("img", { name: /^Bytes read/ });
      if (busy) await work(api, made);
      await here(chart, "admin", "status");
      const views = await group.getByRole("button").allTextContents();
      assert.ok(views.length >= 6);
      for (const view of views.slice(1)) {
        await group.getByRole("button", { name: view, exact: true }).click();
        await here(() => page.getByRole("main"), `admin-${view.toLowerCase().replaceAll(" ", "-")}`);
      }
    });

    await step("no page was left out, nothing complained", async () => {
      const left = PATHS.filter((path) => !seen.has(path));
      assert.deepEqual(left, []);
      assert.deepEqual(complaints, []);
    });
  } finally {
    await browser.close();
  }
}

/** Have jobs run for a while, so that the status page has something to show; returns in the midst of it. */
async function work(api, made) {
  const both = { input: made.orders, customers: made.customers };
  for (let wave = 0; wave < 8; wave += 1) {
    for (let job = 0; job < 4; job += 1) await api.start(made.clean, both);
    await new Promise((resolve) => setTimeout(resolve, 2500));
  }
}
