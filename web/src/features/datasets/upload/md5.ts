/**
 * MD5 (RFC 1321), piece by piece: the checksum that every S3 storage compares a part with (Content-MD5), and that browsers do
 * not have. It guards against broken lines, not against people. Pure.
 */

const BLOCK = 64;
const SINES = Int32Array.from({ length: 64 }, (_, index) => Math.floor(Math.abs(Math.sin(index + 1)) * 2 ** 32));

export class Md5 {
  private readonly sums = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  private readonly rest = new Uint8Array(BLOCK);
  private readonly words = new Int32Array(16);
  private filled = 0;
  private length = 0;

  add(bytes: Uint8Array): this {
    this.length += bytes.length;
    let at = 0;
    if (this.filled > 0) {
      at = Math.min(BLOCK - this.filled, bytes.length);
      this.rest.set(bytes.subarray(0, at), this.filled);
      this.filled += at;
      if (this.filled < BLOCK) return this;
      this.mix(this.rest, 0);
      this.filled = 0;
    }
    for (; at + BLOCK <= bytes.length; at += BLOCK) this.mix(bytes, at);
    this.rest.set(bytes.subarray(at));
    this.filled = bytes.length - at;
    return this;
  }

  /** The sum of all that was added, in Base64, as the header wants it. Nothing can be added any more. */
  base64(): string {
    const bits = this.length * 8;
    const end = new Uint8Array((this.filled < 56 ? 56 : 120) - this.filled + 8);
    end[0] = 0x80;
    const view = new DataView(end.buffer);
    view.setUint32(end.length - 8, bits % 2 ** 32, true);
    view.setUint32(end.length - 4, Math.floor(bits / 2 ** 32), true);
    this.add(end);
    const sum = new DataView(new ArrayBuffer(16));
    this.sums.forEach((word, index) => {
      sum.setInt32(index * 4, word, true);
    });
    return btoa(String.fromCharCode(...new Uint8Array(sum.buffer)));
  }

  private mix(bytes: Uint8Array, start: number): void {
    const { words, sums } = this;
    for (let index = 0; index < 16; index += 1) {
      const from = start + index * 4;
      words[index] =
        (bytes[from] as number) |
        ((bytes[from + 1] as number) << 8) |
        ((bytes[from + 2] as number) << 16) |
        ((bytes[from + 3] as number) << 24);
    }
    let a = sums[0] as number;
    let b = sums[1] as number;
    let c = sums[2] as number;
    let d = sums[3] as number;
    let t = 0;
    // four steps at a time: so the registers need not change places, and the shifts are constants
    for (let at = 0; at < 16; at += 4) {
      t = (a + (d ^ (b & (c ^ d))) + (SINES[at] as number) + (words[at] as number)) | 0;
      a = (((t << 7) | (t >>> 25)) + b) | 0;
      t = (d + (c ^ (a & (b ^ c))) + (SINES[at + 1] as number) + (words[at + 1] as number)) | 0;
      d = (((t << 12) | (t >>> 20)) + a) | 0;
      t = (c + (b ^ (d & (a ^ b))) + (SINES[at + 2] as number) + (words[at + 2] as number)) | 0;
      c = (((t << 17) | (t >>> 15)) + d) | 0;
      t = (b + (a ^ (c & (d ^ a))) + (SINES[at + 3] as number) + (words[at + 3] as number)) | 0;
      b = (((t << 22) | (t >>> 10)) + c) | 0;
    }
    for (let at = 16; at < 32; at += 4) {
      t = (a + (c ^ (d & (b ^ c))) + (SINES[at] as number) + (words[(5 * at + 1) & 15] as number)) | 0;
      a = (((t << 5) | (t >>> 27)) + b) | 0;
      t = (d + (b ^ (c & (a ^ b))) + (SINES[at + 1] as number) + (words[(5 * (at + 1) + 1) & 15] as number)) | 0;
      d = (((t << 9) | (t >>> 23)) + a) | 0;
      t = (c + (a ^ (b & (d ^ a))) + (SINES[at + 2] as number) + (words[(5 * (at + 2) + 1) & 15] as number)) | 0;
      c = (((t << 14) | (t >>> 18)) + d) | 0;
      t = (b + (d ^ (a & (c ^ d))) + (SINES[at + 3] as number) + (words[(5 * (at + 3) + 1) & 15] as number)) | 0;
      b = (((t << 20) | (t >>> 12)) + c) | 0;
    }
    for (let at = 32; at < 48; at += 4) {
      t = (a + (b ^ c ^ d) + (SINES[at] as number) + (words[(3 * at + 5) & 15] as number)) | 0;
      a = (((t << 4) | (t >>> 28)) + b) | 0;
      t = (d + (a ^ b ^ c) + (SINES[at + 1] as number) + (words[(3 * (at + 1) + 5) & 15] as number)) | 0;
      d = (((t << 11) | (t >>> 21)) + a) | 0;
      t = (c + (d ^ a ^ b) + (SINES[at + 2] as number) + (words[(3 * (at + 2) + 5) & 15] as number)) | 0;
      c = (((t << 16) | (t >>> 16)) + d) | 0;
      t = (b + (c ^ d ^ a) + (SINES[at + 3] as number) + (words[(3 * (at + 3) + 5) & 15] as number)) | 0;
      b = (((t << 23) | (t >>> 9)) + c) | 0;
    }
    for (let at = 48; at < 64; at += 4) {
      t = (a + (c ^ (b | ~d)) + (SINES[at] as number) + (words[(7 * at) & 15] as number)) | 0;
      a = (((t << 6) | (t >>> 26)) + b) | 0;
      t = (d + (b ^ (a | ~c)) + (SINES[at + 1] as number) + (words[(7 * (at + 1)) & 15] as number)) | 0;
      d = (((t << 10) | (t >>> 22)) + a) | 0;
      t = (c + (a ^ (d | ~b)) + (SINES[at + 2] as number) + (words[(7 * (at + 2)) & 15] as number)) | 0;
      c = (((t << 15) | (t >>> 17)) + d) | 0;
      t = (b + (d ^ (c | ~a)) + (SINES[at + 3] as number) + (words[(7 * (at + 3)) & 15] as number)) | 0;
      b = (((t << 21) | (t >>> 11)) + c) | 0;
    }
    sums[0] = ((sums[0] as number) + a) | 0;
    sums[1] = ((sums[1] as number) + b) | 0;
    sums[2] = ((sums[2] as number) + c) | 0;
    sums[3] = ((sums[3] as number) + d) | 0;
  }
}
