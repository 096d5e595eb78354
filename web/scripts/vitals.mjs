// Figures of a first visit in headless Chromium, as Lighthouse counts them: what is loaded, when it is seen, how long the page
// is busy. For people, not for tests: the figures are the machine's. Needs BASE_URL, ADMIN_EMAIL and ADMIN_PASSWORD of a stack;
// SLOW=4 slows the processor down, RUNS=5 visits each page so often (the median is shown).
import { BASE_URL, launch, signUp, visit } from "../e2e/browser.mjs";
import { Api } from "../e2e/shared/api.mjs";
import { fill } from "../e2e/shared/workspace.mjs";

const { ADMIN_EMAIL, ADMIN_PASSWORD } = process.env;
const slow = Number(process.env.SLOW ?? 1);
const runs = Number(process.env.RUNS ?? 3);
const browser = await launch();
const { page, context } = await visit(browser);
const devtools = await context.newCDPSession(page);
await devtools.send("Network.enable");
await devtools.send("Emulation.setCPUThrottlingRate", { rate: slow });

let loaded = [];
const kinds = new Map();
devtools.on("Network.responseReceived", ({ requestId, type, response }) => kinds.set(requestId, [type, response.url]));
devtools.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
  const [type] = kinds.get(requestId) ?? [];
  if (type) loaded.push([type, encodedDataLength]);
});

await page.addInitScript(() => {
  const vitals = { lcp: 0, cls: 0, busy: 0 };
  globalThis.vitals = vitals;
  const watch = (type, take) =>
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
  watch("largest-contentful-paint", (entry) => {
    vitals.lcp = entry.startTime;
  });
  watch("layout-shift", (entry) => {
    if (!entry.hadRecentInput) vitals.cls += entry.value;
  });
  // what each task takes beyond 50 ms: total blocking time
  watch("longtask", (entry) => {
    vitals.busy += entry.duration - 50;
  });
});

/** One visit with an empty cache; returns kilobytes of scripts and styles, milliseconds, and the shift of the layout. */
async function once(place, whole) {
  loaded = [];
  await devtools.send("Network.clearBrowserCache");
  await page.goto(`${BASE_URL}${place}`);
  await whole().first().waitFor();
  // the socket of the live pages stays open: what is quiet is all else
  await page.waitForLoadState("networkidle");
  await page.waitForTimeout(1000);
  const { lcp, cls, busy } = await page.evaluate(() => globalThis.vitals);
  const fcp = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0);
  const sum = (kind) => loaded.filter(([type]) => type === kind).reduce((total, [, size]) => total + size, 0);
  return [sum("Script") / 1000, sum("Stylesheet") / 1000, fcp, lcp, busy, cls];
}

const median = (values) => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];

/** A line of a table: the median of several visits. */
async function measure(name, place, whole) {
  const visits = [];
  for (let run = 0; run < runs; run += 1) visits.push(await once(place, whole));
  const figures = visits[0].map((_, index) => median(visits.map((each) => each[index])));
  const cells = figures.map((figure, index) => figure.toFixed(index === 5 ? 3 : 0));
  console.log(`| ${[name, ...cells].join(" | ")} |`);
}

try {
  console.log(`processor slowed down ${slow} times, median of ${runs}`);
  console.log("| page | scripts, kB | styles, kB | FCP, ms | LCP, ms | TBT, ms | CLS |\n|---|---|---|---|---|---|---|");
  await measure("sign-in", "/sign-in", () => page.getByRole("heading", { name: "Sign in" }));
  const made = await fill(await Api.logIn(await signUp(page, "Vitals"), "a long enough password"), 20_000);
  await measure("data sets", "/datasets", () => page.getByRole("link", { name: "orders-2026.csv" }));
  const cells = () => page.getByRole("cell", { name: /^\d+$/ });
  await measure("a data set", `/datasets/${made.orders}`, cells);
  await measure("pipeline builder", `/pipelines/new?dataset=${made.orders}&template=convert`, () =>
    page.getByRole("region", { name: "Beginning of the result" }),
  );
  await measure("jobs", "/jobs", () => page.getByRole("link", { name: "Strict prices" }));
  await measure("a job", `/jobs/${made.job}`, () => page.getByRole("region", { name: /First rows/ }));
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("E-mail").fill(ADMIN_EMAIL);
  await page.getByLabel("Password").fill(ADMIN_PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("link", { name: "Status" }).waitFor();
  await measure("status", "/admin", () => page.getByRole("img", { name: /^Bytes read/ }));
} finally {
  await browser.close();
}
