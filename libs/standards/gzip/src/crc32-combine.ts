/**
 * The CRC-32 of gzip (RFC 1952 8) is the remainder of the message, as a polynomial over GF(2), after division by this
 * one. Bits are reflected: the highest bit stands for x⁰, the lowest for x³¹.
 */
const polynomial = 0xedb88320;
const one = 0x80000000;

/** The product of two remainders. */
function product(a: number, b: number): number {
  let sum = 0;
  let shifted = b;
  for (let bit = one; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) sum ^= shifted;
    shifted = (shifted & 1) === 0 ? shifted >>> 1 : (shifted >>> 1) ^ polynomial;
  }
  return sum >>> 0;
}

/** x to the power of 2ᵏ for k from 0 to 31. The next would be x again: the polynomial is primitive. */
const squarings: readonly number[] = (() => {
  const powers = [one >>> 1];
  for (let k = 1; k < 32; k++) powers.push(product(powers[k - 1] ?? 0, powers[k - 1] ?? 0));
  return powers;
})();

/** A byte is 2³ bits. */
const bitsOfByte = 3;

/** What a remainder is multiplied by when so many bytes follow: x to the power of their bits. */
function shiftOf(byteCount: number): number {
  let shift = one;
  for (let rest = byteCount, k = bitsOfByte; rest > 0; rest = Math.floor(rest / 2), k++) {
    if (rest % 2 === 1) shift = product(squarings[k % 32] ?? 0, shift);
  }
  return shift;
}

/**
 * The CRC-32 of two byte strings, one after the other, from the CRC-32 of each: what they hold is not read again.
 * @param first CRC-32 of the first, 0 to 2³² − 1 (0 for none)
 * @param second CRC-32 of the second
 * @param secondByteCount bytes of the second, a whole number from 0
 * @throws {RangeError} when that is no byte count: a defect of the caller
 */
export function crc32Combine(first: number, second: number, secondByteCount: number): number {
  if (!Number.isSafeInteger(secondByteCount) || secondByteCount < 0)
    throw new RangeError('a byte count is a whole number from 0');
  return (product(shiftOf(secondByteCount), first) ^ second) >>> 0;
}
