import { readFile } from 'node:fs/promises';

import type { Clock } from '@callosum/kernel';
import { z } from 'zod';

import { ProviderUnavailableError } from '../errors.js';
import { discover, fetchJson } from './discovery.js';

const answer = z.object({ access_token: z.string(), expires_in: z.number().positive().default(60) });

export interface ClientCredentialsConfig {
  readonly issuer: string;
  readonly clientId: string;
  /** Read at each request for a token: a secret is rotated by writing the file. */
  readonly secretFile: string;
  readonly audience: string;
  readonly scope?: string;
}

/** A token is used until this long before its end, so that it does not run out on its way. */
const marginMs = 10_000;

/** Access tokens of our own client (RFC 6749 section 4.4), asked for when needed and kept while they last. */
export class ClientCredentials {
  #token: { readonly value: string; readonly until: number } | undefined;
  #running: Promise<string> | undefined;

  constructor(
    private readonly config: ClientCredentialsConfig,
    private readonly clock: Clock,
  ) {}

  /** @throws {ProviderUnavailableError} */
  token(): Promise<string> {
    if (this.#token && this.clock.now().getTime() < this.#token.until) return Promise.resolve(this.#token.value);
    return (this.#running ??= this.#ask().finally(() => (this.#running = undefined)));
  }

  async #ask(): Promise<string> {
    const { issuer, clientId, secretFile, audience, scope } = this.config;
    const { token_endpoint } = await discover(issuer);
    if (!token_endpoint) throw new ProviderUnavailableError('the identity provider has no token endpoint');
    const secret = (await readFile(secretFile, 'utf8')).trim();
    const form = new URLSearchParams({ grant_type: 'client_credentials', ...(scope ? { scope } : {}) });
    // RFC 8707: a resource is an absolute URI; issuers that know audiences by plain names map them by client or scope.
    if (URL.canParse(audience)) form.set('resource', audience);
    const basic = Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`).toString('base64');
    const asked = this.clock.now().getTime();
    const parsed = answer.safeParse(
      await fetchJson(token_endpoint, {
        method: 'POST',
        headers: { authorization: `Basic ${basic}`, accept: 'application/json' },
        body: form,
      }),
    );
    if (!parsed.success) throw new ProviderUnavailableError('the identity provider gave no token');
    this.#token = { value: parsed.data.access_token, until: asked + parsed.data.expires_in * 1000 - marginMs };
    return parsed.data.access_token;
  }
}
