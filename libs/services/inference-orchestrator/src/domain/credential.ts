import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** So that a leaked one is recognized by whoever scans for secrets. */
const prefix = 'cwc_';
const secretBytes = 32;

/** A new token for a credential: its id, so that it is found, and 256 random bits. */
export function makeToken(credentialId: string): string {
  return `${prefix}${credentialId.replaceAll('-', '')}_${randomBytes(secretBytes).toString('base64url')}`;
}

/** The id of the credential a token names; undefined when it is no token of ours. */
export function credentialIdOf(token: string): string | undefined {
  const [, hex] = /^cwc_([0-9a-f]{32})_[A-Za-z0-9_-]{43}$/.exec(token) ?? [];
  return hex?.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Of 256 random bits a plain hash gives nothing away; a slow one would only slow us. Lower-case hex. */
export const tokenHash = (token: string): string => createHash('sha256').update(token).digest('hex');

/** In a time that does not depend on where they differ. */
export function sameHash(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one, 'hex'), Buffer.from(other, 'hex')];
  return a.length === b.length && timingSafeEqual(a, b);
}
