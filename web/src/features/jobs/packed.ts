/** Bytes of a packed text from anywhere in it. Loaded when it is wanted. */
import { Decompress } from "fzstd";
import { m } from "./messages";

export type Packing = "gzip" | "zstd";

/** Unpacked bytes that are kept behind the newest read: going back a few pages does not begin anew. */
const KEPT = 16_000_000;

interface Piece {
  offset: number;
  bytes: Uint8Array<ArrayBuffer>;
}

/**
 * A file that can only be unpacked from its beginning on: it is read as far as somebody wants to see, and anew from the
 * beginning for what lies further back than what is kept.
 */
export class Packed {
  private reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | null = null;
  private pieces: Piece[] = [];
  /** Bytes unpacked so far. */
  private reached = 0;
  private ended = false;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    /** Where the file is; links run out and are signed anew. */
    public url: string,
    private readonly packing: Packing,
  ) {}

  /** Bytes `[first, last)` of the text, fewer where it ends before: then, and where it ends there, `end` is true. */
  read(first: number, last: number): Promise<{ piece: Uint8Array; end: boolean }> {
    // one at a time: all of them move the same stream
    const next = this.turn.then(() => this.take(first, last));
    this.turn = next.catch(() => undefined);
    return next;
  }

  /** Stop loading. */
  close(): void {
    this.reader?.cancel().catch(() => undefined);
    this.reader = null;
  }

  private async take(first: number, last: number): Promise<{ piece: Uint8Array; end: boolean }> {
    const kept = this.pieces[0]?.offset ?? this.reached;
    if (!this.ended && !this.reader) await this.open();
    else if (first < kept) await this.open();
    // one byte more tells whether the text ends there
    while (this.reached <= last && !this.ended) await this.unpack(first);
    const end = Math.min(last, this.reached);
    const piece = new Uint8Array(Math.max(end - first, 0));
    for (const { offset, bytes } of this.pieces) {
      const [from, to] = [Math.max(first, offset), Math.min(end, offset + bytes.length)];
      if (from < to) piece.set(bytes.subarray(from - offset, to - offset), from - first);
    }
    return { piece, end: this.ended && last >= this.reached };
  }

  private async open(): Promise<void> {
    this.close();
    [this.pieces, this.reached, this.ended] = [[], 0, false];
    const response = await fetch(this.url);
    if (!response.ok || !response.body) throw new Error(m.storageAnswered({ status: String(response.status) }));
    const unpacked = this.packing === "gzip" ? new DecompressionStream("gzip") : zstd();
    this.reader = response.body.pipeThrough(unpacked).getReader();
  }

  /** Unpack a piece more; what lies far before `wanted` is forgotten. */
  private async unpack(wanted: number): Promise<void> {
    const reader = this.reader;
    if (!reader) throw new Error("closed");
    try {
      const { done, value } = await reader.read();
      // closed meanwhile, it says that it is done
      if (this.reader !== reader) throw new Error("closed");
      this.ended = done;
      if (!value) return;
      this.pieces.push({ offset: this.reached, bytes: value });
      this.reached += value.length;
    } catch (error) {
      // a broken stream stays broken: the next read begins anew
      this.close();
      throw error;
    }
    const needed = this.pieces.findIndex(({ offset, bytes }) => offset + bytes.length > wanted - KEPT);
    this.pieces.splice(0, Math.max(needed, 0));
  }
}

function zstd(): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let unpacker: Decompress;
  return new TransformStream({
    start: (controller) => {
      // what it hands out may lie in a window that it writes to again
      unpacker = new Decompress((piece) => controller.enqueue(piece.slice()));
    },
    transform: (piece) => unpacker.push(piece),
    flush: () => unpacker.push(new Uint8Array(0), true),
  });
}
