import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/** 16 MiB and some 50 ms for each try: a table that leaks gives no passcodes away, and a busy peer costs us little. */
const cost = 16_384;
const blockSize = 8;
const keyBytes = 32;
const saltBytes = 16;
const form = /^scrypt:(\d{4,6}):([A-Za-z0-9_-]{22,43}):([A-Za-z0-9_-]{43})$/;

/** "scrypt:<N>:<salt>:<key>", base64url; r is 8 and p is 1 (RFC 7914). */
export async function hashPasscode(passcode: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const key = await derive(passcode, salt, cost);
  return `scrypt:${cost}:${salt.toString('base64url')}:${key.toString('base64url')}`;
}

/** True for what `hashPasscode` makes; N is a power of two from 4,096 to 131,072. */
export function isPasscodeHash(text: string): boolean {
  const n = Number(form.exec(text)?.[1] ?? 0);
  return n >= 4_096 && n <= 131_072 && Number.isInteger(Math.log2(n));
}

/** @param hash one that fits nobody takes as long as one that fits */
export async function isPasscode(passcode: string, hash: string): Promise<boolean> {
  const [, n = '', salt = '', key = ''] = form.exec(hash) ?? [];
  const derived = await derive(passcode, Buffer.from(salt, 'base64url'), Number(n));
  return timingSafeEqual(derived, Buffer.from(key, 'base64url'));
}

/** Of no passcode: what an unknown user is held against, so that the time tells nobody who is known. */
export const nobodysHash = `scrypt:${cost}:${'A'.repeat(22)}:${'A'.repeat(43)}`;

const derive = (passcode: string, salt: Buffer, n: number): Promise<Buffer> =>
  new Promise((resolve, reject) =>
    scrypt(passcode, salt, keyBytes, { N: n, r: blockSize, p: 1, maxmem: 256 * n * blockSize }, (error, key) =>
      error ? reject(error) : resolve(key),
    ),
  );
