import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { ProviderUnavailableError } from '../errors.js';
import { keyTimes, ProviderKeys } from './provider-keys.js';

let provider: Server;
let issuer: string;
let asked: number;

/** A provider that is ill: it answers, and says nothing. */
beforeEach(async () => {
  asked = 0;
  provider = createServer((_request, response) => {
    asked++;
    response.writeHead(500).end();
  });
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  issuer = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
});
afterEach(() => provider.close());

it('that is ill is asked once in a while, however many callers there are', async () => {
  let now = Date.parse('2026-11-26T09:00:00Z');
  const keys = new ProviderKeys(issuer, { ...keyTimes, retryMs: 1_000 }, { now: () => new Date(now) });
  const callers = (): Promise<unknown[]> =>
    Promise.all(
      Array.from({ length: 20 }, () => keys.find({ alg: 'RS256', kid: 'a' }).catch((error: unknown) => error)),
    );
  for (const answer of await callers()) expect(answer).toBeInstanceOf(ProviderUnavailableError);
  for (const answer of await callers()) expect(answer).toBeInstanceOf(ProviderUnavailableError);
  expect(asked).toBe(1);
  now += 1_000;
  await callers();
  expect(asked).toBe(2);
});
