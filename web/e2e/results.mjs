// Results that are packed, NDJSON or Arrow, looked through in the browser. Needs a running stack: BASE_URL=http://127.0.0.1:8000.
import assert from "node:assert/strict";
import { BASE_URL, launch, look, signUp, stepper, visit } from "./browser.mjs";
import { Api } from "./shared/api.mjs";

const ROWS = 2500;
/** Texts with what quotes mean, numbers that no float holds, and nulls. */
const note = (row) => `row ${row}, said "${row % 7}"`;
const long = (row) => `9007199254740${String(row).padStart(4, "0")}`;
const CSV = `id,note,long,empty\n${Array.from({ length: ROWS }, (_, row) => `${row},"${note(row).replaceAll('"', '""')}",${long(row)},`).join("\n")}\n`;

/** More rows than a batch has, with values that no float holds. */
const BIG = 120_000;
const MORE = Array.from(
  { length: BIG },
  (_, row) => `${row},"${note(row).replaceAll('"', '""')}",${long(row)},,2026-11-28T12:30:00.123456,12.35`,
);

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);

try {
  const api = await Api.logIn(await signUp(page, "Indu"), "a long enough password");
  const input = await api.upload("notes.csv", CSV);
  const big = await api.upload("big.csv", `${["id,note,long,empty,at,price", ...MORE].join("\n")}\n`);
  for (const output of [
    { format: "ndjson" },
    { format: "ndjson", compression: "gzip" },
    { format: "csv", compression: "gzip" },
    { format: "tsv", compression: "zstd" },
  ]) {
    const name = Object.values(output).join(" ");
    await step(`page through a result of ${name}`, async () => {
      const job = await api.start(await api.pipeline(name, { version: 1, steps: [], output }), { input });
      assert.equal(await api.ended(job), "SUCCEEDED");
      await page.goto(`${BASE_URL}/jobs/${job}`);
      await page.getByRole("button", { name: "Page through all 2,500" }).click();
      const rows = page.getByRole("region", { name: /^Rows of the result/ });
      /** The first row of a page is whole: each value as it was. */
      const first = async (row) => {
        await rows.getByRole("cell", { name: note(row), exact: true }).waitFor();
        const cells = await rows.getByRole("row").nth(1).getByRole("cell").allTextContents();
        assert.deepEqual(cells, [String(row), note(row), long(row), "null"]);
      };
      await first(0);
      await page.getByRole("button", { name: "Next 1,000" }).click();
      await first(1000);
      await page.getByRole("button", { name: "Next 1,000" }).click();
      await first(2000);
      await page.getByText("Rows 2,001 to 2,500 of 2,500").waitFor();
      await page.getByRole("button", { name: "First rows" }).click();
      await first(0);
      await look(page, `result-${output.format}-${output.compression ?? "plain"}`);
    });
  }
  await step("scroll through a result of arrow, whose rows lie in many batches", async () => {
    const output = { format: "arrow" };
    const job = await api.start(await api.pipeline("arrow", { version: 1, steps: [], output }), { input: big });
    assert.equal(await api.ended(job), "SUCCEEDED");
    await page.goto(`${BASE_URL}/jobs/${job}`);
    const ranges = [];
    page.on("request", (request) => request.headers().range && ranges.push(request.headers().range));
    await page.getByRole("button", { name: "Scroll through all 120,000" }).click();
    const rows = page.getByRole("region", { name: /^All rows of the result/ });
    await rows.getByRole("cell", { name: note(0), exact: true }).waitFor();
    await rows.evaluate((grid) => grid.scrollTo(0, grid.scrollHeight));
    const last = rows.getByRole("row").last();
    await rows.getByRole("cell", { name: note(BIG - 1), exact: true }).waitFor();
    assert.deepEqual(await last.getByRole("cell").allTextContents(), [
      String(BIG - 1),
      note(BIG - 1),
      long(BIG - 1),
      "null",
      "2026-11-28T12:30:00.123456",
      "12.35",
    ]);
    assert.ok(ranges.length > 2, "it was read by ranges");
    await look(page, "result-arrow");
  });
  assert.deepEqual(complaints, []);
} finally {
  await browser.close();
}
