import type { Encoding } from './cursor.js';

/**
 * Some files state Explicit VR and hold Implicit VR (or the reverse): the first element tells, as PS3.5 A requires
 * one encoding for the whole dataset. Byte order is not guessed.
 */
export function actualEncoding(bytes: Uint8Array, start: number, stated: Encoding): Encoding {
  const first = bytes[start + 4];
  const second = bytes[start + 5];
  if (first === undefined || second === undefined || stated.bigEndian) return stated;
  const isLetters = first >= 0x41 && first <= 0x5a && second >= 0x41 && second <= 0x5a;
  if (
    stated.implicitVr &&
    isLetters &&
    [0x41, 0x43, 0x44, 0x46, 0x49, 0x4c, 0x4f, 0x50, 0x53, 0x54, 0x55].includes(first)
  )
    return { implicitVr: false, bigEndian: false };
  if (!stated.implicitVr && first < 0x41 && second < 0x41) return { implicitVr: true, bigEndian: false };
  return stated;
}
