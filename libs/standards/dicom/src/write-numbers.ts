import { DicomWriteError } from './errors.js';
import type { DicomJsonValue } from './json.js';
import type { Tag } from './tags.js';

/**
 * A number as DS: at most 16 characters (PS3.5 6.2), with as many digits as fit.
 * Thrown when it is not finite: DicomWriteError.
 */
export function decimalString(value: number): string {
  if (!Number.isFinite(value)) throw new DicomWriteError('A DS value is finite');
  const shortest = String(value);
  if (shortest.length <= 16) return shortest;
  for (let digits = 16; digits > 0; digits--) {
    const text = String(Number(value.toPrecision(digits)));
    if (text.length <= 16) return text;
    const exponential = value.toExponential(digits - 1);
    if (exponential.length <= 16) return exponential;
  }
  throw new DicomWriteError('A number does not fit DS');
}

interface Codec {
  readonly size: number;
  readonly min: number;
  readonly max: number;
  write(buffer: Buffer, value: number, at: number): void;
}
const codecs: Readonly<Record<string, Codec>> = {
  US: { size: 2, min: 0, max: 0xffff, write: (b, v, at) => b.writeUInt16LE(v, at) },
  SS: { size: 2, min: -0x8000, max: 0x7fff, write: (b, v, at) => b.writeInt16LE(v, at) },
  UL: { size: 4, min: 0, max: 0xffffffff, write: (b, v, at) => b.writeUInt32LE(v, at) },
  SL: { size: 4, min: -0x80000000, max: 0x7fffffff, write: (b, v, at) => b.writeInt32LE(v, at) },
  FL: { size: 4, min: -Infinity, max: Infinity, write: (b, v, at) => b.writeFloatLE(v, at) },
  FD: { size: 8, min: -Infinity, max: Infinity, write: (b, v, at) => b.writeDoubleLE(v, at) },
};
const notFinite: Readonly<Record<string, number>> = { NaN: Number.NaN, inf: Infinity, '-inf': -Infinity };

/**
 * Numbers and tags in little-endian order.
 * Thrown when a value is none of its VR: DicomWriteError.
 */
export function binaryValue(tag: Tag, vr: string, values: readonly DicomJsonValue[]): Uint8Array {
  if (vr === 'AT') return Buffer.concat(values.map((value) => attributeTag(tag, value)));
  if (vr === 'SV' || vr === 'UV') return Buffer.concat(values.map((value) => wide(tag, vr, value)));
  const codec = codecs[vr];
  if (!codec) throw new DicomWriteError(`${tag} (${vr}) needs bytes`);
  const buffer = Buffer.alloc(values.length * codec.size);
  values.forEach((value, i) => {
    const number =
      typeof value === 'string' ? (notFinite[value] ?? (value.trim() === '' ? Number.NaN : Number(value))) : value;
    const isFloat = vr === 'FL' || vr === 'FD';
    if (
      typeof number !== 'number' ||
      (!isFloat && !Number.isInteger(number)) ||
      number < codec.min ||
      number > codec.max
    ) {
      throw new DicomWriteError(`${tag} (${vr}) holds a value out of range`);
    }
    codec.write(buffer, number, i * codec.size);
  });
  return buffer;
}

function attributeTag(tag: Tag, value: DicomJsonValue): Uint8Array {
  if (typeof value !== 'string' || !/^[0-9A-Fa-f]{8}$/.test(value))
    throw new DicomWriteError(`${tag} (AT) needs eight hex digits`);
  const buffer = Buffer.alloc(4);
  buffer.writeUInt16LE(parseInt(value.slice(0, 4), 16), 0);
  buffer.writeUInt16LE(parseInt(value.slice(4), 16), 2);
  return buffer;
}

function wide(tag: Tag, vr: 'SV' | 'UV', value: DicomJsonValue): Uint8Array {
  // A sign and 20 digits hold every 64-bit integer; a longer one would take its time to be read.
  if ((typeof value !== 'string' && typeof value !== 'number') || !/^-?\d{1,20}$/.test(String(value)))
    throw new DicomWriteError(`${tag} (${vr}) needs an integer`);
  const integer = BigInt(value);
  const limit = vr === 'SV' ? BigInt.asIntN(64, integer) : BigInt.asUintN(64, integer);
  if (limit !== integer) throw new DicomWriteError(`${tag} (${vr}) holds a value out of range`);
  const buffer = Buffer.alloc(8);
  if (vr === 'SV') buffer.writeBigInt64LE(integer);
  else buffer.writeBigUInt64LE(integer);
  return buffer;
}
