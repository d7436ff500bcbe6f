import { createHash } from 'node:crypto';

import { BadRequestError } from './errors/door.js';

/** What is known of who sends a STOW-RS request. */
export interface Sender {
  /** Who authenticated; undefined where nobody is asked to. */
  readonly principal: string | undefined;
  /** What the sender's base URL calls it: an operator gives each client its own, as each modality has an AE title. */
  readonly named: string | undefined;
  /** IP address of the peer. */
  readonly address: string;
}

/** No ':', so that no name reads like an address or a principal. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** A source stands in the keys of blobs, which have room for 96 bytes. */
const principalBytesMax = 64;

/**
 * Name of the source, whose Patient IDs without an issuer mean something among themselves only. The surest thing known
 * counts: who authenticated, then the name in the URL (a claim, as a calling AE title is), then the peer's address. The
 * prefixes keep the three kinds, and AE titles, apart.
 * @throws {BadRequestError} when the name in the URL is none
 */
export function sourceOf({ principal, named, address }: Sender): string {
  if (named !== undefined && !namePattern.test(named)) throw new BadRequestError('the name of the source is not valid');
  if (principal !== undefined) return `principal:${bounded(principal)}`;
  return named === undefined ? `address:${address.replace(/^::ffff:/, '')}` : `http:${named}`;
}

const bounded = (principal: string): string =>
  Buffer.byteLength(principal) <= principalBytesMax
    ? principal
    : `sha256:${createHash('sha256').update(principal).digest('hex').slice(0, 48)}`;
