import { describe, expect, it } from "vitest";
import { rowFiles, textOf } from "./readable";

const file = (format: string, name = `part-00000.${format}`) => ({ name, format, url: "u", sizeBytes: 9, rows: 3 });

describe("textOf", () => {
  it("knows how our sink wrote each format", () => {
    expect(textOf([file("csv")], { format: "csv" })?.dialect).toEqual({ delimiter: ",", header: true, json: false });
    expect(textOf([file("tsv")], { format: "tsv", header: false })?.dialect).toEqual({
      delimiter: "\t",
      header: false,
      json: false,
    });
    expect(textOf([file("csv")], { format: "csv", delimiter: ";" })?.dialect.delimiter).toBe(";");
    expect(textOf([file("lines")], { format: "lines" })?.dialect).toEqual({
      delimiter: null,
      header: false,
      json: false,
    });
    expect(textOf([file("ndjson")], { format: "ndjson" })?.dialect).toEqual({
      delimiter: null,
      header: false,
      json: true,
    });
  });
  it("knows how the text is packed", () => {
    const packing = (compression?: string | null) => textOf([file("csv")], { format: "csv", compression })?.packing;
    expect([packing(), packing("none"), packing("gzip"), packing("zstd")]).toEqual([null, null, "gzip", "zstd"]);
  });
  it("leaves alone what cannot be read as text", () => {
    expect(textOf([file("csv", "part-00000.csv.bz2")], { format: "csv", compression: "bzip2" })).toBeNull();
    expect(textOf([file("csv", "country=India/part-00000.csv")], { format: "csv" })).toBeNull();
    expect(textOf([file("arrow")], { format: "arrow" })).toBeNull();
    expect(textOf([], {})).toBeNull();
  });
});

describe("rowFiles", () => {
  it("wants Parquet or Arrow with known rows, all columns inside", () => {
    for (const format of ["parquet", "arrow"]) {
      expect(rowFiles([file(format)])).toEqual({ format, files: [{ url: "u", sizeBytes: 9, rows: 3 }] });
      expect(rowFiles([{ ...file(format), rows: null }])).toBeNull();
      expect(rowFiles([file(format, `country=India/part-00000.${format}`)])).toBeNull();
    }
    expect(rowFiles([file("csv")])).toBeNull();
    expect(rowFiles([])).toBeNull();
  });
});
