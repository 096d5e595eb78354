// A workspace with something of everything in it, for those who look at all pages.
import assert from "node:assert/strict";
import { named } from "./api.mjs";
import { customers, log, orders } from "./made.mjs";

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

/** Data sets, jobs that succeeded and one that failed, a schedule, a webhook, a token; returns their ids. */
export async function fill(api, rows) {
  const made = {
    orders: await api.upload("orders-2026.csv", orders(rows, 997)),
    customers: await api.upload("customers.csv", customers()),
    log: await api.upload("gateway.log", log(rows)),
    clean: await api.pipeline("Orders of India", CLEAN),
  };
  const both = { input: made.orders, customers: made.customers };
  made.job = await api.start(made.clean, both);
  made.text = await api.start(await api.pipeline("Errors of the gateway", ERRORS), { input: made.log });
  const cities = await api.start(await api.pipeline("Units by city", BY_CITY), { input: made.orders });
  for (const job of [made.job, made.text, cities]) assert.equal(await api.ended(job), "SUCCEEDED");
  made.failed = await api.start(await api.pipeline("Strict prices", STRICT), { input: made.orders });
  assert.equal(await api.ended(made.failed), "FAILED");

  const schedule = `mutation($i: CreateScheduleInput!) { createSchedule(input: $i) { ... on CreateScheduleSuccess {
    schedule { id } } ... on Error { code message } } }`;
  const cron = { pipelineId: made.clean, cron: "30 6 * * 1-5", timeZone: "Asia/Kolkata", inputs: named(both) };
  made.schedule = (await api.ask(schedule, { i: cron })).createSchedule.schedule.id;
  const webhook = `mutation($i: CreateWebhookInput!) { createWebhook(input: $i) { ... on CreateWebhookSuccess {
    webhook { id } } ... on Error { code message } } }`;
  const i = { url: "http://127.0.0.1:9/karyaksham" };
  made.webhook = (await api.ask(webhook, { i })).createWebhook.webhook.id;
  const ping = `mutation($i: PingWebhookInput!) { pingWebhook(input: $i) { ... on PingWebhookSuccess {
    delivery { id } } ... on Error { code message } } }`;
  await api.ask(ping, { i: { id: made.webhook } });
  const token = `mutation($i: CreateApiTokenInput!) { createApiToken(input: $i) { ... on CreateApiTokenSuccess {
    apiToken { id } } ... on Error { code message } } }`;
  await api.ask(token, { i: { name: "notebook", scopes: ["READ"] } });
  return made;
}
