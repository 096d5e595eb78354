// Figures of a first visit in headless Chromium, as Lighthouse counts them: what is loaded, when it is seen, how long the page
// is busy. For people, not for tests: the figures are the machine's. Needs BASE_URL of a stack; SLOW=4 slows the processor down.
import { BASE_URL, launch, signUp, visit } from "../e2e/browser.mjs";

const slow = Number(process.env.SLOW ?? 1);
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

async function measure(place, whole) {
  loaded = [];
  await devtools.send("Network.clearBrowserCache");
  await page.goto(`${BASE_URL}${place}`);
  await whole().first().waitFor();
  await page.waitForLoadState("networkidle");
  const { lcp, cls, busy } = await page.evaluate(() => globalThis.vitals);
  const fcp = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0);
  const sum = (kind) => loaded.filter(([type]) => type === kind).reduce((total, [, size]) => total + size, 0);
  const ms = (value) => `${Math.round(value)} ms`;
  console.log(
    [
      place.padEnd(16),
      `scripts ${(sum("Script") / 1000).toFixed(0)} kB`,
      `styles ${(sum("Stylesheet") / 1000).toFixed(0)} kB`,
      `first paint ${ms(fcp)}`,
      `largest paint ${ms(lcp)}`,
      `blocked ${ms(busy)}`,
      `shift ${cls.toFixed(3)}`,
    ].join(" · "),
  );
}

try {
  console.log(`processor slowed down ${slow} times`);
  await measure("/sign-in", () => page.getByRole("heading", { name: "Sign in" }));
  await signUp(page, "Vitals");
  await measure("/datasets", () => page.getByText("No data sets yet"));
  await measure("/pipelines/new", () => page.getByLabel("Name of the pipeline"));
  await measure("/jobs", () => page.getByText("No jobs yet"));
} finally {
  await browser.close();
}
