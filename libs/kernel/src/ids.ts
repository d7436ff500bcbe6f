import { createHash, randomUUID } from 'node:crypto';

/** A random UUID (RFC 9562 version 4). */
export const newId = (): string => randomUUID();

/** RFC 9562, in the form `newId` gives. */
export const isUuid = (value: string): boolean =>
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(value);

const uidPattern = /^[0-9]+(\.[0-9]+)*$/;
/**
 * A UID as others issue them: at most 64 characters, numeric components. Components with leading zeros, which PS3.5 9.1
 * forbids, are in the objects of many a modality, and are compared as they are: "1.02" is not "1.2".
 */
export function isUid(value: string): boolean {
  return value.length > 0 && value.length <= 64 && uidPattern.test(value);
}

/** A UID without leading zeros in its components (PS3.5 9.1): what Callosum issues, and what can be an OID. */
export const isConformantUid = (value: string): boolean => isUid(value) && !/(^|\.)0[0-9]/.test(value);

/** Namespace of every name-based UUID Callosum issues; fixed for ever. */
const callosumNamespace = Buffer.from('6f3c1d5e0b7a4c2e9d18a4c0b1e5f237', 'hex');

/** A name-based UUID (RFC 9562 version 5): the same parts give the same UUID on every machine. */
export function nameUuid(...parts: readonly string[]): string {
  const hash = createHash('sha1').update(callosumNamespace).update(JSON.stringify(parts)).digest();
  const bytes = hash.subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** A UID derived from a UUID (PS3.5 B.2): "2.25." and the UUID as one decimal number. */
export function uuidToUid(uuid: string): string {
  return `2.25.${BigInt(`0x${uuid.replaceAll('-', '')}`).toString()}`;
}

/** A name-based UID: `uuidToUid(nameUuid(...parts))`. */
export const nameUid = (...parts: readonly string[]): string => uuidToUid(nameUuid(...parts));
