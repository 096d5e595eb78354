// Two people who never see each other's work. Needs a running stack: BASE_URL=http://127.0.0.1:8000.
import assert from "node:assert/strict";
import { BASE_URL, launch, signUp, stepper, visit } from "./browser.mjs";

const browser = await launch();
const [one, other] = [await visit(browser), await visit(browser)];
const step = stepper(one.page, one.complaints);
/** Addresses of what the first person made. */
const places = {};

try {
  await step("one makes a data set, a pipeline and a job", async () => {
    const { page } = one;
    await signUp(page, "Anand");
    const buffer = Buffer.from("secret,value\nplans,1\nmoney,2\n");
    await page.getByLabel("Choose files").setInputFiles({ name: "private.csv", mimeType: "text/csv", buffer });
    await page.locator("tr", { hasText: "private.csv" }).getByText("Ready").waitFor();
    await page.locator("table").getByRole("link", { name: "private.csv" }).click();
    await page.getByRole("cell", { name: "plans", exact: true }).waitFor();
    places.dataset = page.url();
    await page.getByRole("link", { name: "New pipeline" }).click();
    await page.getByLabel("Name of the pipeline").fill("Private work");
    await page.getByText("Checked: it can run.").waitFor();
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("Succeeded").waitFor();
    places.job = page.url();
    await page.getByRole("link", { name: "Pipeline", exact: true }).click();
    await page.getByRole("heading", { name: "Private work" }).waitFor();
    places.pipeline = page.url();
  });

  await step("the other sees empty lists, and by address nothing, as if it were not there", async () => {
    const { page } = other;
    await signUp(page, "Bina");
    for (const [list, nothing] of [
      ["Data sets", "No data sets yet"],
      ["Pipelines", "No pipelines yet"],
      ["Jobs", "No jobs yet"],
    ]) {
      await page.getByRole("link", { name: list, exact: true }).click();
      await page.getByText(nothing).waitFor();
    }
    for (const [place, nothing] of [
      ["dataset", "There is no such data set."],
      ["job", "There is no such job."],
      ["pipeline", "There is no such pipeline."],
    ]) {
      assert.ok(places[place].startsWith(BASE_URL));
      await page.goto(places[place]);
      await page.getByText(nothing).waitFor();
      assert.equal(await page.getByText(/private|secret/i).count(), 0);
    }
  });

  await step("after a sign-out the next person on the same computer sees nothing of it", async () => {
    const { page } = one;
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await signUp(page, "Chitra");
    await page.getByText("No data sets yet").waitFor();
    assert.equal(await page.getByText("private.csv").count(), 0);
  });

  await step("a sign-out in one tab ends the others", async () => {
    const second = await one.context.newPage();
    await second.goto(`${BASE_URL}/jobs`);
    await second.getByText("No jobs yet").waitFor();
    await one.page.getByRole("button", { name: "Sign out" }).click();
    await second.getByRole("heading", { name: "Sign in" }).waitFor();
  });
} finally {
  await browser.close();
}
