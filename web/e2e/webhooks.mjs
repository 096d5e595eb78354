// A receiver of webhooks that fails first: retries, signature, redelivery, test messages, a new secret. Needs a stack that may reach 127.0.0.1: BASE_URL.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { launch, look, signUp, stepper, uploadText, visit } from "./browser.mjs";

/** Messages as they came. The first is refused, so that it comes again; later ones while `refusing`. */
const received = [];
let refusing = false;
const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
  response.writeHead(received.length === 1 || refusing ? 503 : 204).end();
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address = `http://127.0.0.1:${server.address().port}/hook`;

/** The signature that Standard Webhooks describe. */
function signature(secret, { headers, body }) {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  return `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
}

const browser = await launch();
const { page, complaints } = await visit(browser);
const step = stepper(page, complaints);
const webhooks = () => page.getByRole("link", { name: "Webhooks", exact: true }).click();
const messages = page.getByRole("list", { name: "Messages" }).getByRole("listitem");
let secret = "";

try {
  await step("sign up; an address inside the network is refused in place", async () => {
    await signUp(page, "Omar");
    await webhooks();
    await page.getByText("No webhooks yet").waitFor();
    await page.getByLabel("Address of the receiver").fill("http://10.11.12.13/hook");
    await page.getByRole("button", { name: "Make webhook" }).click();
    await page.getByRole("alert").waitFor();
    await look(page, "webhooks-refused");
  });

  await step("a webhook is made, its secret shown once", async () => {
    await page.getByLabel("Address of the receiver").fill(address);
    await page.getByLabel("cancelled").uncheck();
    await page.getByRole("button", { name: "Make webhook" }).click();
    await page.getByText("Copy the secret now").waitFor();
    secret = await page.locator("pre").textContent();
    assert.match(secret, /^whsec_/);
    await page.getByRole("cell", { name: "succeeded, failed" }).waitFor();
    await look(page, "webhooks");
  });

  await step("a job ends, and the receiver refuses the message", async () => {
    await page.getByRole("link", { name: "Data sets", exact: true }).click();
    await uploadText(page, "cities.csv", "city,people\nPune,7\nAgra,2\n");
    await page.locator("table").getByRole("link", { name: "cities.csv" }).click();
    await page.getByRole("link", { name: "New pipeline" }).click();
    await page.getByText("Checked: it can run.").waitFor();
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("Succeeded").waitFor();
    await webhooks();
    await page.getByRole("link", { name: address }).click();
    await messages.first().waitFor();
    assert.equal(await page.getByText(secret).count(), 0);
  });

  await step("it is sent again until it is taken, with the same id and a right signature", async () => {
    await page.locator('[data-delivery="DELIVERED"]').waitFor();
    await page.getByText(/Attempt 2 of \d+ · answered 204/i).waitFor();
    const [first, second] = received;
    assert.equal(first.headers["webhook-id"], second.headers["webhook-id"]);
    for (const message of [first, second])
      assert.equal(message.headers["webhook-signature"], signature(secret, message));
    assert.equal(JSON.parse(second.body).type, "job.succeeded");
    await page.getByText("What it says").click();
    await page.getByText('"job.succeeded"').waitFor();
    await look(page, "webhook");
  });

  await step("it can be sent once more by hand", async () => {
    await page.getByRole("button", { name: /^Send again/ }).click();
    await page.getByText(/Attempt 1 of \d+ · answered 204/i).waitFor();
    assert.equal(received.at(-1).headers["webhook-id"], received[0].headers["webhook-id"]);
  });

  /** Send a test message by the page; returns it as it came, and its place in the list once it tells the answer. */
  const ping = async (answer) => {
    const before = received.length;
    await page.getByRole("button", { name: "Send a test message" }).click();
    while (received.length === before) await new Promise((resolve) => setTimeout(resolve, 50));
    const message = received.at(-1);
    const shown = messages.filter({
      has: page.getByRole("button", { name: `Send again ${message.headers["webhook-id"]}` }),
    });
    await shown.getByText("Test message").waitFor();
    await shown.getByText(`Attempt 1 of 1 · answered ${answer}`).waitFor();
    return { message, shown };
  };

  await step("a test message tells whether the receiver takes it", async () => {
    const { message, shown } = await ping(204);
    assert.equal(JSON.parse(message.body).type, "webhook.ping");
    assert.equal(message.headers["webhook-signature"], signature(secret, message));
    assert.equal(await shown.getAttribute("data-delivery"), "DELIVERED");
    refusing = true;
    const refused = await ping(503);
    refusing = false;
    assert.equal(await refused.shown.getAttribute("data-delivery"), "FAILED");
  });

  const rotate = async () => {
    await page.getByRole("button", { name: "Make a new secret" }).click();
    await page.getByRole("button", { name: "Really replace it?" }).click();
    const shown = page.locator("pre", { hasText: /^whsec_/ }).filter({ hasNotText: secret });
    const before = secret;
    secret = await shown.textContent();
    assert.match(secret, /^whsec_/);
    return before;
  };

  await step("a new secret, shown once; the one before signs beside it for a while", async () => {
    const before = await rotate();
    await page.getByText(/each message carries two signatures/).waitFor();
    await look(page, "webhook-secret");
    const { message } = await ping(204);
    assert.equal(message.headers["webhook-signature"], `${signature(secret, message)} ${signature(before, message)}`);
    await page.reload();
    await page.getByText(/each message carries two signatures/).waitFor();
    assert.equal(await page.getByText(secret).count(), 0);
  });

  await step("after a leak, the one before is of no use at once", async () => {
    await page.getByLabel("The present secret signs").selectOption({ label: "no more: it has leaked" });
    await rotate();
    await page.getByText(/each message carries two signatures/).waitFor({ state: "detached" });
    const { message } = await ping(204);
    assert.equal(message.headers["webhook-signature"], signature(secret, message));
  });

  await step("filters, pause, delete", async () => {
    await page.getByRole("button", { name: "Waiting", exact: true }).click();
    await page.getByText("No such messages.").waitFor();
    await page.getByRole("button", { name: "Given up", exact: true }).click();
    await messages.getByText("The receiver answered 503.").waitFor();
    assert.equal(await messages.count(), 1);
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("button", { name: "Let it send" }).waitFor();
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("button", { name: "Delete it with its messages?" }).click();
    await page.getByText("No webhooks yet").waitFor();
  });

  await step("nothing complained", async () => assert.deepEqual(complaints, []));
} finally {
  await browser.close();
  server.close();
  server.closeAllConnections();
}
