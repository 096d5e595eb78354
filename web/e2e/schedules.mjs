// Pipelines that run by the clock: made, changed, paused, deleted, and one run that really comes. Needs BASE_URL.
import assert from "node:assert/strict";
import { launch, look, signUp, stepper, uploadText, visit } from "./browser.mjs";

/** The clock needs up to a minute, and a busy machine longer. */
const BY_THE_CLOCK = 240_000;

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);
const schedules = () => page.getByRole("link", { name: "Schedules", exact: true }).click();

try {
  await step("sign up; without a pipeline there is nothing to run by the clock", async () => {
    await signUp(page, "Nila");
    await schedules();
    await page.getByText("No schedules yet").waitFor();
    await look(page, "schedules-empty");
    await page.getByRole("link", { name: "New schedule" }).click();
    await page.getByText("No pipelines yet").waitFor();
  });

  await step("a data set and a saved pipeline", async () => {
    await page.getByRole("link", { name: "Data sets", exact: true }).click();
    await uploadText(page, "cities.csv", "city,people\nPune,7\nAgra,2\n");
    await page.locator("table").getByRole("link", { name: "cities.csv" }).click();
    await page.getByRole("link", { name: "New pipeline" }).click();
    await page.getByLabel("Name of the pipeline").fill("Nightly cities");
    await page.getByText("Checked: it can run.").waitFor();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Version 1", { exact: true }).waitFor();
  });

  await step("a schedule for working days shows its next runs on its own clock", async () => {
    await schedules();
    await page.getByRole("link", { name: "New schedule" }).click();
    await page.getByLabel("Pipeline", { exact: true }).selectOption("Nightly cities");
    await page.getByLabel("Data set", { exact: true }).selectOption("cities.csv");
    await page.getByLabel("Runs", { exact: true }).selectOption("Monday to Friday");
    await page.getByLabel("At", { exact: true }).fill("18:30");
    await page.getByLabel("Time zone").fill("Asia/Kolkata");
    await look(page, "schedule-new");
    await page.getByRole("button", { name: "Make schedule" }).click();
    const runs = page.getByRole("list", { name: "Next runs" }).getByRole("listitem");
    await runs.first().waitFor();
    const texts = await runs.allTextContents();
    assert.equal(texts.length, 5);
    for (const text of texts) assert.match(text, /^(Mon|Tue|Wed|Thu|Fri).*18:30/);
    await page.getByText("Monday to Friday at 18:30, Asia/Kolkata").waitFor();
    await look(page, "schedule");
  });

  await step("an expression that is none, and a zone that is none, are told in place", async () => {
    await page.getByLabel("Runs", { exact: true }).selectOption("by a cron expression");
    await page.getByLabel("Cron expression").fill("61 * * * *");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Cron expression").fill("* * * * *");
    await page.getByLabel("Time zone").fill("Mars/Olympus");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("alert").filter({ hasText: /Mars/ }).waitFor();
  });

  await step("a run comes by the clock", async () => {
    await page.getByLabel("Time zone").fill("UTC");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("* * * * *, UTC").waitFor();
    const job = page.getByRole("region", { name: "Jobs of the schedule" }).getByRole("row").nth(1);
    await job.getByText("Succeeded").waitFor({ timeout: BY_THE_CLOCK });
    await page.getByText("started a job").waitFor();
  });

  await step("paused, it has no next runs; the list says so", async () => {
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByText("None while it does not run.").waitFor();
    await look(page, "schedule-paused");
    await schedules();
    await page.getByRole("cell", { name: "Paused" }).waitFor();
    await look(page, "schedules");
  });

  await step("deleted, its jobs stay", async () => {
    await page.getByRole("link", { name: "Nightly cities" }).click();
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("button", { name: "Really delete?" }).click();
    await page.getByText("No schedules yet").waitFor();
    await page.getByRole("link", { name: "Jobs", exact: true }).click();
    await page.locator("tr", { hasText: "Succeeded" }).first().waitFor();
  });

  await step("nothing complained", async () => assert.deepEqual(complaints, []));
} finally {
  await browser.close();
}
