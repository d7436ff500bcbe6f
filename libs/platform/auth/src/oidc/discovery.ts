import { isLoopback } from '@callosum/config';
import { z } from 'zod';

import { ProviderUnavailableError } from '../errors.js';

/** OpenID Connect Discovery 1.0 section 3, as far as we need it. */
const metadata = z.object({ issuer: z.string(), jwks_uri: z.url(), token_endpoint: z.url().optional() });
export type ProviderMetadata = z.output<typeof metadata>;

/** A provider that needs longer is away; a caller waits on us meanwhile. */
const timeoutMs = 5_000;
/** Hundreds of keys, or a discovery document many times the usual. */
const bytesMax = 512 * 1024;

/**
 * Reads the provider's discovery document.
 * @throws {ProviderUnavailableError} also when it speaks for another issuer (section 4.3)
 */
export async function discover(issuer: string): Promise<ProviderMetadata> {
  const parsed = metadata.safeParse(await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`));
  if (!parsed.success) throw new ProviderUnavailableError('the discovery document is not one');
  if (parsed.data.issuer !== issuer)
    throw new ProviderUnavailableError('the discovery document speaks for another issuer than the one that is set');
  for (const url of [parsed.data.jwks_uri, parsed.data.token_endpoint ?? parsed.data.jwks_uri]) {
    const { protocol, hostname } = new URL(url);
    if (protocol !== 'https:' && !isLoopback(hostname))
      throw new ProviderUnavailableError('the discovery document names addresses that are not https');
  }
  return parsed.data;
}

/** @throws {ProviderUnavailableError} no answer, an error status, too many bytes, or no JSON */
export async function fetchJson(url: string, init: RequestInit = {}): Promise<unknown> {
  try {
    const response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
    const text = await limited(response);
    if (!response.ok) throw new ProviderUnavailableError(`the identity provider answered ${response.status}`);
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof ProviderUnavailableError) throw error;
    throw new ProviderUnavailableError('the identity provider does not answer', { cause: error });
  }
}

async function limited(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new ProviderUnavailableError(`the identity provider sent more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
