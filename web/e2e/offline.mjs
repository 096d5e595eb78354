// The network goes while pages are open: each says so, nothing is lost, and what was missed is caught up once.
// Needs BASE_URL, ADMIN_EMAIL and ADMIN_PASSWORD of a stack.
import assert from "node:assert/strict";
import { BASE_URL, launch, look, signUp, stepper, visit } from "./browser.mjs";
import { Api } from "./shared/api.mjs";
import { lay } from "./shared/cable.mjs";

const { ADMIN_EMAIL, ADMIN_PASSWORD } = process.env;
assert.ok(ADMIN_EMAIL && ADMIN_PASSWORD, "set ADMIN_EMAIL and ADMIN_PASSWORD (they stand in the stack's ready file)");

const SPEC = { version: 1, steps: [{ filter: { where: "a > 1" } }], output: { format: "csv" } };
const cable = await lay(BASE_URL);
const browser = await launch();
const { context, page, complaints } = await visit(browser);
const step = stepper(page, complaints);
const admin = await Api.logIn(ADMIN_EMAIL, ADMIN_PASSWORD);
const away = page.getByText(/^(Karyaksham does not answer|You are offline)\.$/);
const back = page.getByText("Connected again. This page has caught up.");
let api;
let dataset = "";
let stopped = [];

/** No worker takes a job until `go`. */
async function halt() {
  const { systemStatus } = await admin.ask("{ systemStatus { workers { id } } }");
  stopped = systemStatus.workers.map((each) => each.id);
  const drain =
    "mutation($i: DrainWorkerInput!) { drainWorker(input: $i) { __typename ... on Error { code message } } }";
  for (const id of stopped) await admin.ask(drain, { i: { id } });
  // they hear of it a moment later
  const states = async () => (await admin.ask("{ systemStatus { workers { state } } }")).systemStatus.workers;
  while ((await states()).some((each) => each.state === "READY")) await new Promise((wake) => setTimeout(wake, 200));
}
async function go() {
  const resume =
    "mutation($i: ResumeWorkerInput!) { resumeWorker(input: $i) { __typename ... on Error { code message } } }";
  for (const id of stopped.splice(0)) await admin.ask(resume, { i: { id } });
}
const run = async (name) => api.start(await api.pipeline(name, SPEC), { input: dataset });
const rows = () => page.locator("tbody tr");

try {
  await step("sign up through the cable; work is made by another way", async () => {
    const email = await signUp(page, "Nadi", cable.url);
    api = await Api.logIn(email, "a long enough password");
    dataset = await api.upload("numbers.csv", "a\n1\n2\n3\n");
    assert.equal(await api.ended(await run("Before")), "SUCCEEDED");
    await page.getByRole("link", { name: "Jobs", exact: true }).click();
    await rows().filter({ hasText: "Before" }).getByText("Succeeded").waitFor();
  });

  await step("the cable is pulled: the page says so, and keeps what it showed", async () => {
    await cable.pull();
    await away.waitFor();
    assert.equal(await rows().count(), 1);
    await look(page, "offline");
  });

  await step("it is plugged in: the list has what was missed, each job once", async () => {
    for (const name of ["Meanwhile 1", "Meanwhile 2"]) assert.equal(await api.ended(await run(name)), "SUCCEEDED");
    assert.equal(await rows().count(), 1);
    await cable.plug();
    await back.waitFor();
    await rows().filter({ hasText: "Meanwhile 2" }).getByText("Succeeded").waitFor();
    assert.equal(await rows().count(), 3);
    // and it is live again
    assert.equal(await api.ended(await run("After")), "SUCCEEDED");
    await rows().filter({ hasText: "After" }).getByText("Succeeded").waitFor();
    assert.equal(await rows().count(), 4);
  });

  await step("a job that ends while the cable is out: its page catches up, each line of the log once", async () => {
    await halt();
    const id = await run("Watched");
    await page.locator("tbody").getByRole("link", { name: "Watched" }).click();
    await page.getByText("Waiting", { exact: true }).waitFor();
    const log = page.getByRole("list", { name: "Log of the job" }).getByRole("listitem");
    await log.first().waitFor();
    await cable.pull();
    await away.waitFor();
    await go();
    assert.equal(await api.ended(id), "SUCCEEDED");
    await page.getByText("Waiting", { exact: true }).waitFor();
    await cable.plug();
    await page.getByText("Succeeded", { exact: true }).waitFor();
    await page.getByRole("heading", { name: "Result" }).waitFor();
    const text = "query($id: ID!) { job(id: $id) { logs(first: 100) { nodes { message } } } }";
    const { nodes } = (await api.ask(text, { id })).job.logs;
    await log.nth(nodes.length - 1).waitFor();
    assert.deepEqual(
      (await log.allTextContents()).map((line) => line.replace(/^\d\d:\d\d:\d\d(WARNING |ERROR |DEBUG )?/, "")),
      nodes.map((each) => each.message),
    );
  });

  await step("a page that was never opened waits for the network, and comes by itself", async () => {
    await cable.pull();
    await away.waitFor({ state: "attached" }).catch(() => undefined);
    await page.getByRole("link", { name: "Webhooks" }).click();
    await away.waitFor();
    await cable.plug();
    await page.getByRole("heading", { name: "Webhooks" }).waitFor();
    await page.getByText("No webhooks yet").waitFor();
  });

  await step("a start without the service says so, and goes on by itself", async () => {
    const other = await context.newPage();
    other.setDefaultTimeout(60_000);
    let cut = true;
    await other.route("**/graphql", (route) => (cut ? route.abort() : route.continue()));
    await other.route("**/healthz", (route) => (cut ? route.abort() : route.continue()));
    await other.goto(`${cable.url}/jobs`);
    await other.getByText("The service does not answer.").waitFor();
    await look(other, "unreachable");
    cut = false;
    await other.getByRole("heading", { name: "Jobs" }).waitFor();
    await other.close();
  });

  await step("nothing complained but the network", async () => {
    const others = complaints.filter((each) => !/ERR_CONNECTION|ERR_SOCKET|ERR_EMPTY|WebSocket/.test(each));
    assert.deepEqual(others, []);
  });
} finally {
  // a failure in between must not leave the others without a worker
  await go().catch(() => undefined);
  await browser.close();
  await cable.pull().catch(() => undefined);
}
