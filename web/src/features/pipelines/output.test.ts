import { expect, test } from "vitest";
import { compressionsOf, withFormat, withSettings } from "./output";

test("another format keeps what it can have and loses what it cannot", () => {
  const csv = { format: "csv", compression: "gzip", level: 6, escapeFormulas: true, header: false, partitionBy: ["a"] };
  expect(withFormat(csv, "tsv")).toEqual({ ...csv, format: "tsv" });
  expect(withFormat(csv, "ndjson")).toEqual({ format: "ndjson", compression: "gzip", level: 6, partitionBy: ["a"] });
  expect(withFormat(csv, "arrow")).toEqual({ format: "arrow", partitionBy: ["a"] });
  expect(withFormat({ format: "csv", delimiter: ";" }, "tsv")).toEqual({ format: "tsv" });
  expect(withFormat({}, "csv")).toEqual({ format: "csv" });
});

test("a setting without a value goes", () => {
  expect(withSettings({ format: "csv", escapeFormulas: true }, { escapeFormulas: undefined })).toEqual({
    format: "csv",
  });
});

test("each format names what the engine takes", () => {
  expect(compressionsOf("parquet")).toContain("snappy");
  expect(compressionsOf("arrow")).not.toContain("gzip");
  expect(compressionsOf("lines")).toEqual(["none", "gzip", "zstd"]);
});
