/** Values of Arrow as they are shown, without loss: whole numbers and times are read from their bytes. Pure. */
import { type DataType, DateUnit, type Struct, Type, type Vector } from "apache-arrow";
import { dateText, decimalText, timestampText } from "./values";

interface Unit {
  unit: number;
}

const DAY_MS = 86_400_000;

/** The value of a row as the grid shows it; null where there is none. */
export function arrowValue(type: DataType, vector: Vector | null, index: number): unknown {
  if (!vector?.isValid(index)) return null;
  switch (type.typeId) {
    case Type.Timestamp: {
      const { unit, timezone } = type as unknown as Unit & { timezone: string | null };
      const text = timestampText(BigInt(raw(vector, index)), unit * 3);
      return timezone ? `${text}Z` : text;
    }
    case Type.Date: {
      const value = Number(raw(vector, index));
      return dateText((type as unknown as Unit).unit === DateUnit.DAY ? value : Math.floor(value / DAY_MS));
    }
    case Type.Time:
      return timestampText(BigInt(raw(vector, index)), (type as unknown as Unit).unit * 3).replace(/^.*T/, "");
    case Type.Decimal:
      return decimalText(wordsOf(vector.get(index)), (type as unknown as { scale: number }).scale);
    case Type.List:
    case Type.FixedSizeList: {
      const items = vector.get(index) as Vector;
      return Array.from({ length: items.length }, (_, at) => arrowValue(items.type, items, at));
    }
    case Type.Struct:
      return Object.fromEntries(
        (type as Struct).children.map((field, at) => [
          field.name,
          arrowValue(field.type, vector.getChildAt(at), index),
        ]),
      );
    default: {
      const value: unknown = vector.get(index);
      if (typeof value === "bigint") return String(value);
      return value instanceof Uint8Array ? hex(value) : value;
    }
  }
}

/** The number as it is stored, which `get` would turn into a float of milliseconds. */
function raw(vector: Vector, index: number): number | bigint {
  let at = index;
  for (const data of vector.data) {
    if (at < data.length) return (data.values as ArrayLike<number | bigint>)[at] ?? 0;
    at -= data.length;
  }
  return 0;
}

/** A whole number of 32-bit words, the lowest first, in two's complement. */
function wordsOf(words: Uint32Array): bigint {
  let value = 0n;
  for (let at = words.length - 1; at >= 0; at -= 1) value = (value << 32n) | BigInt(words[at] ?? 0);
  return BigInt.asIntN(words.length * 32, value);
}

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
