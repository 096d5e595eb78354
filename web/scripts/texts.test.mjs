import { describe, expect, it } from "vitest";
import { catalogue, texts, unused } from "./texts.mjs";

const found = (code) => texts("page.tsx", code).map((finding) => finding.replace("text in the code: ", ""));

describe("texts", () => {
  it("are refused between tags, whole or in part", () => {
    expect(found("const P = () => <p>Save</p>;")).toEqual(["1: Save"]);
    expect(found("const P = ({ n }) => <p>\n  {n} rows\n</p>;")).toEqual(["2: rows"]);
  });
  it("are refused as one of two, and beside a value", () => {
    expect(found('const P = ({ is }) => <p>{is ? "never" : <b />}</p>;')).toEqual(["1: never"]);
    expect(found(`const P = ({ n }) => <p>{n > 0 && \` of \${n}\`}</p>;`)).toEqual(["1:  of 0"]);
  });
  it("are refused in attributes that are shown or heard, and only there", () => {
    expect(found('const P = () => <a title="To the jobs" className="px-2 font-medium" />;')).toEqual([
      '1: title="To the jobs"',
    ]);
    expect(found('const P = ({ on }) => <a aria-label={on ? "Stop it" : "Go on"} href="/jobs now" />;')).toEqual([
      "1: Stop it",
      "1: Go on",
    ]);
  });
  it("are refused in tables of words and in errors that people read", () => {
    expect(found('const WORDS = { created: "Made", hour: "every full hour" };')).toEqual([
      "1: Made",
      "1: every full hour",
    ]);
    expect(found('const fail = () => { throw new Refusal("GONE", "The file is gone."); };')).toEqual([
      "1: The file is gone.",
    ]);
  });
  it("are none: codes, classes, keys, SQL, and what is marked as data or by hand", () => {
    const code = `import x from "Some module";
      const KEY = "karyaksham.theme";
      const tone = (status) => (status === "Not it" ? "px-2 font-medium" : "bad");
      const P = () => <p translate="no">Karyaksham and <i>more</i></p>;
      const Q = () => <input placeholder="sum(amount) > 0" title="Ctrl+Z" />;
      const R = () => <b>Karyaksham · 3 –</b>;
      const headers = { authorization: \`Bearer \${KEY}\` };
      const check = () => { if (!x) throw new Error("needs a context"); };
      // no text: what SQL says
      const words = ["is null", "is not null"];`;
    expect(found(code)).toEqual([]);
  });
  it("must not be read while modules are loaded", () => {
    expect(found("const NAMES = { all: m.all, lazy: () => m.lazy };")).toEqual([
      "1: m.all is read before there is a reader: make it a function",
    ]);
  });
});

describe("catalogue and unused", () => {
  const code =
    'export const m = messages("jobs", { all: "All", rows: { one: "{count} row", other: "{count} rows" } });';
  it("reads the source", () => {
    expect(catalogue("messages.ts", code)).toEqual({
      feature: "jobs",
      texts: { all: "All", rows: { one: "{count} row", other: "{count} rows" } },
    });
  });
  it("finds the keys that nobody shows", () => {
    expect(unused(["all", "allJobs", "rows", "days"], ["<p>{m.allJobs}</p>", 'm[["days"][0]]'])).toEqual([
      "all",
      "rows",
    ]);
  });
});
