const wordSize: Readonly<Record<string, number>> = {
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

/** A copy of a big-endian value in little-endian order; text and bytes come back as they are (PS3.5 7.3). */
export function toLittleEndian(vr: string, value: Uint8Array): Uint8Array {
  const size = wordSize[vr];
  if (size === undefined) return value;
  const swapped = Uint8Array.from(value);
  for (let at = 0; at + size <= swapped.length; at += size) swapped.subarray(at, at + size).reverse();
  return swapped;
}
