// What is in a data set: profiles, types with their reasons, where it goes, and a grid of many columns. Needs BASE_URL.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch, look, signUp, stepper, uploadText, visit } from "./browser.mjs";

const COLUMNS = 120;
const ROWS = 900;
const wide = [
  Array.from({ length: COLUMNS }, (_, column) => `c${column}`).join(","),
  ...Array.from({ length: ROWS }, (_, row) =>
    Array.from({ length: COLUMNS }, (_, column) => row * 1000 + column).join(","),
  ),
];
const cities = Array.from({ length: 400 }, (_, row) => `${row % 4 ? "Pune" : "Agra"},${row % 50},00${row % 10}`);

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);
const list = () => page.getByRole("link", { name: "Data sets", exact: true }).click();
const open = (name) => page.locator("table").getByRole("link", { name }).click();

try {
  await step("sign up, upload", async () => {
    await signUp(page, "Veda");
    await uploadText(page, "cities.csv", `${["city,people,code", ...cities].join("\n")}\n`);
    await uploadText(page, "wide.csv", `${wide.join("\n")}\n`);
  });

  await step("a folder is chosen: all its files arrive, hidden ones do not", async () => {
    const folder = mkdtempSync(join(tmpdir(), "karyaksham-e2e-"));
    try {
      mkdirSync(join(folder, "below"));
      writeFileSync(join(folder, "north.csv"), "a\n1\n");
      writeFileSync(join(folder, "below", "south.csv"), "a\n2\n");
      writeFileSync(join(folder, ".hidden.csv"), "a\n3\n");
      await page.getByLabel("Choose a folder").setInputFiles(folder);
      for (const name of ["north.csv", "south.csv"])
        await page.locator("tr", { hasText: name }).getByText("Ready").waitFor();
      assert.equal(await page.getByText(".hidden.csv").count(), 0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  await step("all rows are profiled: different values, histogram, frequent values", async () => {
    await open("cities.csv");
    await page.getByRole("cell", { name: /leading zero/i }).waitFor();
    await page.getByRole("button", { name: "Profile all rows" }).click();
    await page.getByText("400 rows counted.").waitFor();
    const frequent = page.getByRole("list", { name: "Most frequent values of city" }).getByRole("listitem");
    assert.deepEqual(await frequent.allTextContents(), ["Pune300 (75 %)", "Agra100 (25 %)"]);
    await page.getByRole("img", { name: /Histogram of people from 0 to/ }).waitFor();
    await look(page, "dataset-profile");
  });

  await step("what reads it is told", async () => {
    await page.getByText("No job has read it yet.").waitFor();
    await page.getByRole("link", { name: "New pipeline" }).click();
    await page.getByText("Checked: it can run.").waitFor();
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("Succeeded").waitFor();
    await page.getByRole("link", { name: "cities.csv" }).click();
    await page.getByRole("region", { name: "Jobs that read the data set" }).getByText("Succeeded").waitFor();
  });

  await step("of a wide result only what is seen is drawn, and all of it can be reached", async () => {
    await list();
    await open("wide.csv");
    await page.getByRole("link", { name: "New pipeline" }).click();
    await page.getByText("Checked: it can run.").waitFor();
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("Succeeded").waitFor();
    const grid = page.getByRole("region", { name: /First rows of the result/ });
    await grid.getByRole("cell", { name: "1001", exact: true }).waitFor();
    assert.equal(await grid.getByRole("table").getAttribute("aria-rowcount"), String(ROWS + 1));
    assert.equal(await grid.getByRole("table").getAttribute("aria-colcount"), String(COLUMNS));
    const drawn = await grid.locator("td").count();
    assert.ok(drawn > 50 && drawn < 2000, `${drawn} cells are drawn`);
    await grid.evaluate((element) => element.scrollTo(element.scrollWidth, element.scrollHeight));
    await grid.getByRole("cell", { name: String((ROWS - 1) * 1000 + COLUMNS - 1), exact: true }).waitFor();
    await grid.getByRole("columnheader", { name: `c${COLUMNS - 1}`, exact: true }).waitFor();
    await look(page, "job-wide");
  });

  await step("nothing complained", async () => assert.deepEqual(complaints, []));
} finally {
  await browser.close();
}
