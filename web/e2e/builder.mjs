// The pipeline builder: completion, a live preview behind each step, undo, versions compared. Needs BASE_URL.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { launch, look, signUp, stepper, uploadText, visit } from "./browser.mjs";

const countries = ["India", "Nepal", "Bhutan", "Sri Lanka"];
const rows = Array.from({ length: 400 }, (_, row) => `${row},${countries[row % 4]},${row / 2},0${row % 7}`);

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);
const where = page.getByLabel("Keep rows where");
const suggestions = page.getByRole("listbox", { name: "Suggestions for Keep rows where" });
const outcome = (kind) => page.locator(`[data-outcome="${kind}"]`);

try {
  await step("sign up, upload", async () => {
    await signUp(page, "Kiran");
    await uploadText(page, "orders.csv", `${["order_id,country,amount,code", ...rows].join("\n")}\n`);
    await page.locator("table").getByRole("link", { name: "orders.csv" }).click();
    await page.getByRole("link", { name: "New pipeline" }).click();
  });

  await step("an expression is completed from the columns and functions", async () => {
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await where.pressSequentially("amo");
    await suggestions.getByRole("option", { name: /^amount/ }).waitFor();
    await look(page, "builder-completion");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await where.pressSequentially(" > 100 AND low");
    await suggestions.getByRole("option", { name: /^lower/ }).click();
    await where.pressSequentially("count");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Tab");
    await page.keyboard.press("End");
    await where.pressSequentially(" = 'india'");
    assert.equal(await where.inputValue(), "amount > 100 AND lower(country) = 'india'");
  });

  await step("each step says at once what it does to the rows and columns", async () => {
    await outcome("filter").getByText("400 → 49 rows").waitFor();
    await page.getByRole("button", { name: "Add columns", exact: true }).click();
    await page.getByLabel("Name", { exact: true }).fill("total");
    await page.getByLabel("Expression").fill("amount * 2");
    await outcome("derive")
      .getByText(/49 → 49 rows · \+ total/)
      .waitFor();
    await page.getByRole("columnheader", { name: "total" }).waitFor();
    await look(page, "builder");
  });

  await step("one can look behind any step", async () => {
    await page.getByRole("button", { name: "Show what step 1 leaves" }).click();
    await page.getByRole("region", { name: "Beginning of what step 1 leaves" }).waitFor();
    assert.equal(await page.getByRole("columnheader", { name: "total" }).count(), 0);
    await page.getByRole("button", { name: "Show the end" }).click();
    await page.getByRole("columnheader", { name: "total" }).waitFor();
  });

  await step("undo and redo, by button and by key", async () => {
    const steps = page.locator("[data-step]");
    await page.getByRole("button", { name: "Remove step 1, Filter" }).click();
    assert.equal(await steps.count(), 1);
    await page.getByRole("button", { name: "Undo" }).click();
    assert.equal(await steps.count(), 2);
    assert.equal(await where.inputValue(), "amount > 100 AND lower(country) = 'india'");
    await page.getByRole("button", { name: "Redo" }).click();
    assert.equal(await steps.count(), 1);
    await page.keyboard.press("Control+z");
    await where.waitFor();
  });

  await step("a type is overridden: the code keeps its leading zero or becomes a number", async () => {
    await page.getByText("How the data set is read").click();
    await page.getByRole("button", { name: "Add a type" }).click();
    await page.getByLabel("Column", { exact: true }).first().selectOption("code");
    await page.getByLabel("Is read as").selectOption("int64");
    await page.getByText("Checked: it can run.").waitFor();
    await page.getByText("What comes out").waitFor();
    await page.getByRole("cell", { name: "6", exact: true }).first().waitFor();
  });

  await step("versions are compared and restored", async () => {
    await page.getByLabel("Name of the pipeline").fill("Large orders");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Version 1", { exact: true }).waitFor();
    await where.fill("amount > 150");
    await page.getByText("Checked: it can run.").waitFor();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Version 2", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Compare version 1" }).click();
    const changes = page.getByRole("region", { name: "Changes since version 1" });
    await changes.getByText("+").first().waitFor();
    assert.match(await changes.locator("ins").textContent(), /amount > 150/);
    assert.match(await changes.locator("del").textContent(), /india/);
    await look(page, "builder-versions");
    await page.getByRole("button", { name: "Go back to version 1" }).click();
    await page.getByText("What stands above is version 1.").waitFor();
    assert.equal(await where.inputValue(), "amount > 100 AND lower(country) = 'india'");
  });

  await step("formulas are made harmless for those who open the result in a spreadsheet", async () => {
    await page.getByLabel("Format of the result").selectOption("csv");
    await page.getByText("How the result is written").click();
    await page.getByLabel("Make formulas harmless").check();
    await look(page, "builder-writing");
    // another format has no such setting, and coming back it is not remembered by accident
    await page.getByLabel("Format of the result").selectOption("parquet");
    await page.getByLabel("Make formulas harmless").waitFor({ state: "detached" });
    await page.getByText("Checked: it can run.").waitFor();
    await page.getByLabel("Format of the result").selectOption("csv");
    assert.equal(await page.getByLabel("Make formulas harmless").isChecked(), false);
    await page.getByLabel("Make formulas harmless").check();
    await page.getByRole("button", { name: "Add columns", exact: true }).click();
    const derive = page.locator('[data-step="derive"]').last();
    await derive.getByLabel("Name", { exact: true }).fill("formula");
    await derive.getByLabel("Expression").fill("concat('=1+', order_id)");
    await page.getByText("Checked: it can run.").waitFor();
    await page.getByRole("button", { name: "Run" }).click();
    await page.waitForURL(/\/jobs\//);
    await page.getByText("Succeeded").waitFor();
    const waiting = page.waitForEvent("download");
    await page
      .getByRole("link", { name: /^Download/ })
      .first()
      .click();
    const [, first] = readFileSync(await (await waiting).path(), "utf8").split("\n");
    assert.match(first, /,'=1\+\d+/);
  });

  await step("nothing complained", async () => assert.deepEqual(complaints, []));
} finally {
  await browser.close();
}
