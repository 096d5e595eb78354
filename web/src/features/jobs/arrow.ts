/** Rows of an Arrow IPC result from anywhere in it, read by ranges straight from the storage. Loaded when it is wanted. */
import { type RecordBatch, Table, tableFromIPC, tableToIPC } from "apache-arrow";
import { Footer } from "apache-arrow/ipc/metadata/file";
import { Message } from "apache-arrow/ipc/metadata/message";
import { arrowValue } from "./arrow-values";
import { m } from "./messages";
import { type ReadRows, type RowFile, range, readerOf } from "./ranges";

/** At the end of a file: the footer's length, and `ARROW1`. */
const TAIL = 10;
/** At the end of a stream: that nothing follows. */
const NOTHING_MORE = 8;
/** Read at once: headers of batches, to know where their rows begin. */
const AHEAD = 6;
/** Batches kept in memory, and bytes of one that nobody can look at any more. */
const KEPT = 3;
const LONGEST = 64_000_000;

interface Block {
  offset: number;
  metaDataLength: number;
  bodyLength: number;
}

/** A message without the four bytes that say how long it is, and the four in front of them that all but old files have. */
function messageOf(bytes: Uint8Array): Message {
  const continued = new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, true) === -1;
  return Message.decode(bytes.subarray(continued ? 8 : 4));
}

/** One file: which batch has which rows, and the batches that were looked at last. */
class ArrowRows {
  /** Where batch n begins, as far as it is known: one more than batches whose header was read. */
  private readonly starts = [0];
  private reading: Promise<void> = Promise.resolve();
  private readonly kept = new Map<number, Promise<RecordBatch>>();

  constructor(
    private readonly url: string,
    private readonly blocks: readonly Block[],
    /** The messages that each batch needs in front of it: schema and dictionaries. */
    private readonly before: Uint8Array,
  ) {}

  async read(from: number, to: number): Promise<unknown[][]> {
    await this.know(to);
    const rows: unknown[][] = [];
    for (let number = this.holder(from); number < this.starts.length - 1; number += 1) {
      const first = this.starts[number] ?? 0;
      if (first >= to) break;
      const batch = await this.batch(number);
      const columns = batch.schema.fields.map((field, index) => [field.type, batch.getChildAt(index)] as const);
      const last = Math.min(to - first, batch.numRows);
      for (let row = Math.max(from - first, 0); row < last; row += 1)
        rows.push(columns.map(([type, vector]) => arrowValue(type, vector, row)));
    }
    return rows;
  }

  /** The batch that has a row. */
  private holder(row: number): number {
    let [low, high] = [0, this.starts.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.starts[middle] ?? 0) <= row) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Read headers until it is known where the rows up to this one are; one caller after the other. */
  private know(rows: number): Promise<void> {
    const read = async () => {
      while ((this.starts.at(-1) ?? 0) < rows && this.starts.length <= this.blocks.length) {
        const next = this.blocks.slice(this.starts.length - 1, this.starts.length - 1 + AHEAD);
        const headers = await Promise.all(
          next.map(({ offset, metaDataLength }) => range(this.url, offset, offset + metaDataLength)),
        );
        for (const header of headers) {
          const { length } = messageOf(header).header() as { length: number };
          this.starts.push((this.starts.at(-1) ?? 0) + Number(length));
        }
      }
    };
    this.reading = this.reading.then(read, read);
    return this.reading;
  }

  private batch(number: number): Promise<RecordBatch> {
    const known = this.kept.get(number) ?? this.load(number);
    // the most recently used stay longest
    this.kept.delete(number);
    this.kept.set(number, known);
    known.catch(() => this.kept.delete(number));
    const oldest = this.kept.keys().next();
    if (this.kept.size > KEPT && !oldest.done) this.kept.delete(oldest.value);
    return known;
  }

  private async load(number: number): Promise<RecordBatch> {
    const block = this.blocks[number];
    if (!block || block.bodyLength > LONGEST) throw new Error(m.partIsTooLarge);
    const end = block.offset + block.metaDataLength + block.bodyLength;
    const table = tableFromIPC(joined(this.before, await range(this.url, block.offset, end)));
    const [batch] = table.batches;
    if (!batch) throw new Error(m.partIsTooLarge);
    return batch;
  }
}

function joined(...pieces: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

async function open({ url, sizeBytes }: RowFile): Promise<ArrowRows> {
  const tail = await range(url, sizeBytes - TAIL, sizeBytes);
  const length = new DataView(tail.buffer, tail.byteOffset).getInt32(0, true);
  const footer = Footer.decode(await range(url, sizeBytes - TAIL - length, sizeBytes - TAIL));
  const dictionaries: Block[] = [...footer.dictionaryBatches()];
  const blocks: Block[] = [...footer.recordBatches()];
  if (dictionaries.reduce((sum, { bodyLength }) => sum + bodyLength, 0) > LONGEST) throw new Error(m.partIsTooLarge);
  const words = await Promise.all(
    dictionaries.map(({ offset, metaDataLength, bodyLength }) =>
      range(url, offset, offset + metaDataLength + bodyLength),
    ),
  );
  // the footer's own: not every writer puts one in front, too
  const schema = tableToIPC(new Table(footer.schema), "stream").subarray(0, -NOTHING_MORE);
  return new ArrowRows(url, blocks, joined(schema, ...words));
}

/** Read rows `[start, end)` of all files one after another. */
export function arrowReader(files: readonly RowFile[]): ReadRows {
  return readerOf(files, open, (rows, from, to) => rows.read(from, to));
}
