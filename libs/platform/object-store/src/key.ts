import { InvalidKeyError } from './errors.js';

/** S3 allows 1,024 bytes; a file system 255 a component. */
const keyCharsMax = 512;
const component = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/;

/**
 * Letters, digits, '.', '_' and '-' in components that begin with a letter or digit: no "..", nothing hidden,
 * nothing absolute, the same name on every file system and S3 server.
 * @throws {InvalidKeyError}
 */
export function assertKey(key: string): void {
  if (key.length === 0 || key.length > keyCharsMax) throw new InvalidKeyError();
  if (!key.split('/').every((part) => component.test(part))) throw new InvalidKeyError();
}
