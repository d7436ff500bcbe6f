import { readFile, stat } from 'node:fs/promises';

import { type Clock, systemClock } from '@callosum/kernel';
import { z } from 'zod';

import { ServiceKeysError } from '../errors.js';

const file = z.object({
  keys: z
    .array(z.object({ kid: z.string().min(1).max(64), k: z.base64url() }))
    .min(1)
    .max(16),
});

export interface ServiceKey {
  readonly kid: string;
  readonly secret: Uint8Array;
}

/** HS256 wants a key of at least the hash's size (RFC 7518 section 3.2). */
const secretBytesMin = 32;
/** A rotated secret is seen within this time; Kubernetes itself takes about a minute to bring it. */
const lookAgainMs = 5_000;

/** The keys services share, from a file that may change while we run. */
export class ServiceKeys {
  #keys: readonly ServiceKey[] = [];
  #version = '';
  #lookedAt = -Infinity;

  constructor(
    private readonly path: string,
    private readonly clock: Clock = systemClock,
  ) {}

  /** The first signs. @throws {ServiceKeysError} when there is none */
  async all(): Promise<readonly ServiceKey[]> {
    const now = this.clock.now().getTime();
    if (now - this.#lookedAt >= lookAgainMs) await this.#look(now);
    return this.#keys;
  }

  async #look(now: number): Promise<void> {
    try {
      const { mtimeMs, size, ino } = await stat(this.path);
      const version = `${mtimeMs} ${size} ${ino}`;
      if (version !== this.#version) {
        this.#keys = parse(await readFile(this.path, 'utf8'), this.path);
        this.#version = version;
      }
      this.#lookedAt = now;
    } catch (error) {
      // Half a write, or a mount that is being exchanged: what we know goes on, and the next call looks again.
      if (this.#keys.length > 0) return;
      throw error instanceof ServiceKeysError ? error : new ServiceKeysError(`${this.path} cannot be read`);
    }
  }
}

function parse(text: string, path: string): readonly ServiceKey[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ServiceKeysError(`${path} is no JSON`);
  }
  const parsed = file.safeParse(json);
  if (!parsed.success) throw new ServiceKeysError(`${path} is not {"keys":[{"kid","k"}, …]} with base64url keys`);
  const keys = parsed.data.keys.map(({ kid, k }) => ({ kid, secret: new Uint8Array(Buffer.from(k, 'base64url')) }));
  if (keys.some(({ secret }) => secret.length < secretBytesMin))
    throw new ServiceKeysError(`${path} holds a key of less than ${secretBytesMin} bytes`);
  return keys;
}
