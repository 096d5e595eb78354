import {
  Bool,
  DateDay,
  Decimal,
  Dictionary,
  Field,
  Float64,
  Int32,
  Int64,
  List,
  makeData,
  makeVector,
  RecordBatch,
  RecordBatchFileWriter,
  Schema,
  Struct,
  TimestampMicrosecond,
  Utf8,
  Vector,
  vectorFromArray,
} from "apache-arrow";
import { afterEach, describe, expect, it, vi } from "vitest";
import { arrowReader } from "./arrow";
import { arrowValue } from "./arrow-values";

const SCHEMA = new Schema([new Field("id", new Int64(), true), new Field("text", new Utf8(), true)]);

/** A file of these batches, each `[first, rows]`. */
function file(batches: readonly (readonly [number, number])[]): Uint8Array {
  const writer = new RecordBatchFileWriter();
  for (const [first, rows] of batches) {
    const ids = vectorFromArray(
      Array.from({ length: rows }, (_, at) => (at === 1 ? null : BigInt(first + at))),
      new Int64(),
    );
    const texts = vectorFromArray(
      Array.from({ length: rows }, (_, at) => `row ${first + at}`),
      new Utf8(),
    );
    const children = [ids.data[0], texts.data[0]].filter((each) => each !== undefined);
    const data = makeData({ type: new Struct(SCHEMA.fields), length: rows, children });
    writer.write(new RecordBatch(SCHEMA, data));
  }
  return writer.finish().toUint8Array(true);
}

/** Serves files by ranges, and tells which were asked for. */
function serve(files: Record<string, Uint8Array>) {
  const asked: { url: string; bytes: number }[] = [];
  vi.stubGlobal("fetch", async (url: string, { headers }: { headers: { range: string } }) => {
    const [first = 0, last = 0] = (/bytes=(\d+)-(\d+)/.exec(headers.range) ?? []).slice(1).map(Number);
    asked.push({ url, bytes: last + 1 - first });
    return new Response(files[url]?.slice(first, last + 1), { status: 206 });
  });
  return asked;
}

afterEach(() => vi.unstubAllGlobals());

describe("arrowReader", () => {
  it("reads rows from anywhere, over batches and files of any size", async () => {
    const [a, b] = [
      file([
        [0, 3],
        [3, 7],
        [10, 1],
      ]),
      file([[11, 4]]),
    ];
    serve({ a, b });
    const read = arrowReader([
      { url: "a", sizeBytes: a.length, rows: 11 },
      { url: "b", sizeBytes: b.length, rows: 4 },
    ]);
    expect((await read(9, 13)).map((row) => row[1])).toEqual(["row 9", "row 10", "row 11", "row 12"]);
    expect((await read(0, 15)).map((row) => row[1])).toEqual(Array.from({ length: 15 }, (_, at) => `row ${at}`));
    expect(await read(3, 5)).toEqual([
      ["3", "row 3"],
      [null, "row 4"],
    ]);
    // two windows at once, as the grid asks for them
    const both = await Promise.all([read(0, 2), read(10, 12)]);
    expect(both.map((rows) => rows.length)).toEqual([2, 2]);
  });

  it("reads of a large file what is looked at, and not again what it has", async () => {
    const batches = Array.from({ length: 60 }, (_, number) => [number * 1000, 1000] as const);
    const bytes = file(batches);
    const asked = serve({ big: bytes });
    const read = arrowReader([{ url: "big", sizeBytes: bytes.length, rows: 60_000 }]);
    expect((await read(500, 1500)).at(-1)).toEqual(["1499", "row 1499"]);
    const first = asked.reduce((sum, each) => sum + each.bytes, 0);
    expect(first).toBeLessThan(bytes.length / 10);
    const before = asked.length;
    await read(500, 1500);
    expect(asked).toHaveLength(before);
    expect((await read(59_990, 60_000)).at(-1)).toEqual(["59999", "row 59999"]);
    expect(asked.reduce((sum, each) => sum + each.bytes, 0)).toBeLessThan(bytes.length / 3);
  });

  it("tells that the storage refused, and asks again the next time", async () => {
    const bytes = file([[0, 2]]);
    vi.stubGlobal("fetch", async () => new Response("expired", { status: 403 }));
    const read = arrowReader([{ url: "a", sizeBytes: bytes.length, rows: 2 }]);
    await expect(read(0, 2)).rejects.toThrow("403");
    serve({ a: bytes });
    expect(await read(0, 1)).toEqual([["0", "row 0"]]);
  });
});

const shown = (vector: Vector) => Array.from({ length: vector.length }, (_, at) => arrowValue(vector.type, vector, at));

describe("arrowValue", () => {
  it("is exact where a float would not be", () => {
    expect(shown(vectorFromArray([2n ** 63n - 1n, null], new Int64()))).toEqual(["9223372036854775807", null]);
    const times = makeData({ type: new TimestampMicrosecond("UTC"), data: BigInt64Array.of(1_000_001n, -1n) });
    expect(shown(new Vector([times]))).toEqual(["1970-01-01T00:00:01.000001Z", "1969-12-31T23:59:59.999999Z"]);
    const words = Uint32Array.of(1234, 0, 0, 0, 0xffff_fffb, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff);
    expect(shown(makeVector(makeData({ type: new Decimal(2, 12), data: words })))).toEqual(["12.34", "-0.05"]);
    expect(shown(makeVector(makeData({ type: new DateDay(), data: Int32Array.of(20_785) })))).toEqual(["2026-11-28"]);
  });
  it("is what JSON has where it has it", () => {
    expect(shown(vectorFromArray([1.5, null], new Float64()))).toEqual([1.5, null]);
    expect(shown(vectorFromArray([true, false], new Bool()))).toEqual([true, false]);
    expect(shown(vectorFromArray(["a", "b", "a"], new Dictionary(new Utf8(), new Int32())))).toEqual(["a", "b", "a"]);
    const list = vectorFromArray([[1n, null], null, []], new List(new Field("item", new Int64(), true)));
    expect(shown(list)).toEqual([["1", null], null, []]);
    const struct = vectorFromArray([{ x: 1 }, null], new Struct([new Field("x", new Int32(), true)]));
    expect(shown(struct)).toEqual([{ x: 1 }, null]);
  });
});
