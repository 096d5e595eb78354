// The mails of a stack without a mail server: workers print them to their log. Needs LOGS, the folder of the stack's logs.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const { LOGS } = process.env;

function printed() {
  const files = readdirSync(LOGS).filter((name) => name.startsWith("worker"));
  const lines = files.flatMap((name) => readFileSync(join(LOGS, name), "utf8").split("\n"));
  return lines
    .filter((line) => line.includes('"mail_printed"'))
    .map((line) => JSON.parse(line.slice(line.indexOf("{"))));
}

/** Wait for a mail to an address with these words in its subject; returns it. */
export async function mail(to, subject) {
  assert.ok(LOGS, "set LOGS to the folder of the stack's logs");
  for (let tries = 0; tries < 1200; tries += 1) {
    const found = printed().filter((each) => each.to === to && each.subject.includes(subject));
    if (found.length > 0) return found.at(-1);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`no mail “${subject}” to ${to}`);
}

/** The link in a mail. */
export function link({ text }) {
  return /https?:\/\/\S+#\S+/.exec(text)[0];
}
