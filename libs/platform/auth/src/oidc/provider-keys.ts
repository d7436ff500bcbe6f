import { type Clock, systemClock } from '@callosum/kernel';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTHeaderParameters } from 'jose';
import { z } from 'zod';

import { ProviderUnavailableError } from '../errors.js';
import { discover, fetchJson } from './discovery.js';

const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(1_000) });

export interface KeyTimes {
  /** Keys older than this are asked for again when they are next needed. */
  readonly maxAgeMs: number;
  /** A provider that is away does not stop us while what it said last is younger than this: a withdrawn key lives on as long. */
  readonly staleMs: number;
  /** An unknown `kid` asks again at most this often: anyone can invent one. */
  readonly coolDownMs: number;
  /** While nothing that is good enough is known, a provider that did not answer is asked again at most this often. */
  readonly retryMs: number;
}

export const keyTimes: KeyTimes = Object.freeze({
  maxAgeMs: 600_000,
  staleMs: 3_600_000,
  coolDownMs: 30_000,
  retryMs: 1_000,
});

type ResolveKey = ReturnType<typeof createLocalJWKSet>;

/**
 * The issuer's public keys: found through its discovery document when first needed, kept, asked for again when old or
 * when a token names a key we do not know (rotation). Starts without the provider.
 */
export class ProviderKeys {
  #resolve: ResolveKey | undefined;
  #fetchedAt = -Infinity;
  #triedAt = -Infinity;
  #running: Promise<void> | undefined;

  constructor(
    private readonly issuer: string,
    private readonly times: KeyTimes = keyTimes,
    private readonly clock: Clock = systemClock,
  ) {}

  /**
   * The key a token's header names.
   * @throws {ProviderUnavailableError} when no key is known and the provider does not answer
   * @throws {errors.JWKSNoMatchingKey} when the provider publishes no such key
   */
  async find(header: JWTHeaderParameters): ReturnType<ResolveKey> {
    const now = this.clock.now().getTime();
    const age = now - this.#fetchedAt;
    if (age > this.times.staleMs) await this.#refreshUnlessTried(now);
    // Nobody waits for a provider while what it said last is good enough.
    else if (age > this.times.maxAgeMs && this.#mayAsk(now)) void this.#refresh(now).catch(() => undefined);
    const resolve = this.#resolve;
    if (!resolve) throw new ProviderUnavailableError('the keys of the identity provider are not known yet');
    try {
      return await resolve(header);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !this.#mayAsk(now)) throw error;
      await this.#refresh(now);
      return (this.#resolve ?? resolve)(header);
    }
  }

  /** Each caller would wait for the time limits of a provider that is away. @throws {ProviderUnavailableError} */
  async #refreshUnlessTried(now: number): Promise<void> {
    if (!this.#running && now - this.#triedAt < this.times.retryMs)
      throw new ProviderUnavailableError('the identity provider did not answer a moment ago');
    await this.#refresh(now);
  }

  #mayAsk(now: number): boolean {
    return now - this.#triedAt >= this.times.coolDownMs;
  }

  /** One at a time: whoever comes meanwhile waits for the same answer. */
  #refresh(now: number): Promise<void> {
    return (this.#running ??= this.#fetch(now).finally(() => (this.#running = undefined)));
  }

  async #fetch(now: number): Promise<void> {
    this.#triedAt = now;
    const { jwks_uri } = await discover(this.issuer);
    const parsed = keySet.safeParse(await fetchJson(jwks_uri));
    if (!parsed.success) throw new ProviderUnavailableError('the identity provider sent no key set');
    this.#resolve = createLocalJWKSet(parsed.data as JSONWebKeySet);
    this.#fetchedAt = now;
  }
}
