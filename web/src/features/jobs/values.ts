/** Values of Parquet as text, without loss. Pure. */

/** A day, counted from 1970-01-01. */
export function dateText(days: number): string {
  return new Date(days * 86_400_000).toISOString().replace(/T.*$/, "");
}

/** A time, counted from 1970 in units of 10^-digits seconds; the fraction only as far as it says something. */
export function timestampText(value: bigint, digits: number): string {
  const unit = 10n ** BigInt(digits);
  const seconds = value >= 0n ? value / unit : (value - unit + 1n) / unit;
  const fraction = value - seconds * unit;
  const text = new Date(Number(seconds) * 1000).toISOString().replace(/\.000Z$/, "");
  if (fraction === 0n) return text;
  const all = String(fraction).padStart(digits, "0");
  // milliseconds, microseconds or nanoseconds, as the API's previews show them
  const shown = [3, 6, 9].find((length) => /^0*$/.test(all.slice(length))) ?? digits;
  return `${text}.${all.slice(0, shown)}`;
}

/** A decimal from its whole number: a number, a bigint, or the bytes of one (big-endian, two's complement). */
export function decimalText(value: unknown, scale: number): string {
  const whole = value instanceof Uint8Array ? fromBytes(value) : BigInt(value as number | bigint);
  const digits = String(whole < 0n ? -whole : whole).padStart(scale + 1, "0");
  const sign = whole < 0n ? "-" : "";
  return scale > 0 ? `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}` : `${sign}${digits}`;
}

function fromBytes(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return BigInt.asIntN(bytes.length * 8, value);
}
