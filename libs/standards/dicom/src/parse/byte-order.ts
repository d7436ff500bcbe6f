/** Bytes of a word by VR (PS3.5 7.3); text and bytes have none. */
const wordBytesByVr: Readonly<Record<string, number>> = {
  US: 2,
  SS: 2,
  OW: 2,
  AT: 2,
  UL: 4,
  SL: 4,
  FL: 4,
  OF: 4,
  OL: 4,
  FD: 8,
  OD: 8,
  OV: 8,
  SV: 8,
  UV: 8,
};

/** Bytes that are swapped together where a value of this VR is big-endian; 1 for what has no byte order. */
export const wordBytesOf = (vr: string): number => wordBytesByVr[vr] ?? 1;

/** A copy in the other byte order. Bytes after the last whole word stay as they are. */
export function otherByteOrder(bytes: Uint8Array, wordBytes: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  const swapped = Buffer.from(copy.buffer);
  const words = swapped.subarray(0, swapped.length - (swapped.length % wordBytes));
  if (wordBytes === 2) words.swap16();
  else if (wordBytes === 4) words.swap32();
  else if (wordBytes === 8) words.swap64();
  return copy;
}

/** The same of a value that comes in pieces of any length. */
export async function* inOtherByteOrder(
  pieces: AsyncIterable<Uint8Array>,
  wordBytes: number,
): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const piece of pieces) {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const whole = bytes.length - (bytes.length % wordBytes);
    if (whole > 0) yield otherByteOrder(bytes.subarray(0, whole), wordBytes);
    rest = Buffer.from(bytes.subarray(whole));
  }
  if (rest.length > 0) yield rest;
}

/** A copy of a big-endian value in little-endian order; text and bytes come back as they are (PS3.5 7.3). */
export function toLittleEndian(vr: string, value: Uint8Array): Uint8Array {
  const wordBytes = wordBytesOf(vr);
  return wordBytes === 1 ? value : otherByteOrder(value, wordBytes);
}
