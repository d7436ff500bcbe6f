import { afterEach, expect, it, vi } from 'vitest';

import { part10 } from '../test-support/objects.js';
import { type Provider, startProvider } from '../test-support/providers.js';
import { echo, ScuAssociation, type ScuOptions, storeFiles, verificationSopClassUid } from './index.js';

let provider: Provider;
afterEach(async () => {
  vi.restoreAllMocks();
  await provider.server.close(0);
});
const to = (): ScuOptions => ({ host: '127.0.0.1', port: provider.port, calledAet: 'CALLOSUM', callingAet: 'TEST' });

it('nothing is printed: AE titles and UIDs are for nobody who reads a console', async () => {
  provider = await startProvider();
  const written = (['log', 'info', 'warn', 'error', 'debug', 'trace'] as const).map((name) =>
    vi.spyOn(console, name).mockImplementation(() => undefined),
  );
  await echo(to());
  await storeFiles({ ...to(), files: [part10()] });
  expect(written.flatMap((spy) => spy.mock.calls)).toEqual([]);
});

it('no response waits 40 ms for a delayed acknowledgement', async () => {
  provider = await startProvider();
  const association = await ScuAssociation.open(to(), [
    { abstractSyntaxUid: verificationSopClassUid, transferSyntaxUids: ['1.2.840.10008.1.2'] },
  ]);
  const tookMs: number[] = [];
  for (let count = 0; count < 50; count++) {
    const startedAt = performance.now();
    await association.echo(1);
    tookMs.push(performance.now() - startedAt);
  }
  // A delayed acknowledgement delays them all; a busy machine some.
  expect(tookMs.filter((ms) => ms < 38).length).toBeGreaterThan(10);
  await association.release();
});

it('a store that takes longer than a peer may be silent is no silence of the peer', async () => {
  provider = await startProvider({ limits: { idleTimeoutMs: 50 } }, async ({ dataset }) => {
    dataset.resume();
    await new Promise((resolve) => setTimeout(resolve, 200));
    return { status: 0 };
  });
  expect(await storeFiles({ ...to(), files: [part10()] })).toMatchObject([{ status: 0 }]);
  expect(provider.ends.filter(({ how }) => how === 'aborted')).toEqual([]);
});
