import { afterEach, describe, expect, it, vi } from 'vitest';

import { part10 } from '../test-support/objects.js';
import { type Provider, startProvider } from '../test-support/providers.js';
import { echo, ScuAssociation, type ScuOptions, storeFiles, verificationSopClassUid } from './index.js';
import { Association, CEchoResponse, CStoreRequest, Dataset } from './library.js';

let provider: Provider;
afterEach(async () => {
  vi.restoreAllMocks();
  await provider.server.close(0);
});
const to = (): ScuOptions => ({ host: '127.0.0.1', port: provider.port, calledAet: 'CALLOSUM', callingAet: 'TEST' });

describe('what the library would do and does not here', () => {
  it('print or format its messages', async () => {
    provider = await startProvider();
    const written = (['log', 'info', 'warn', 'error', 'debug', 'trace'] as const).map((name) =>
      vi.spyOn(console, name).mockImplementation(() => undefined),
    );
    await echo(to());
    await storeFiles({ ...to(), files: [part10()] });
    expect(written.flatMap((spy) => spy.mock.calls)).toEqual([]);
    expect(String(new Association('A', 'B'))).toBe('');
    expect(String(new CStoreRequest(new Dataset({})))).toBe('');
    expect(String(new CEchoResponse(0, ''))).toBe('');
  });

  it('wait 40 ms for a delayed acknowledgement at each response', async () => {
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

  it('abort a long send because nothing was received meanwhile', async () => {
    // The library's own timer asks whether the socket is connected: ours never tells it so.
    vi.useFakeTimers({ toFake: ['setInterval', 'Date'] });
    let release: (() => void) | undefined;
    provider = await startProvider({}, async ({ dataset }) => {
      await new Promise<void>((resolve) => (release = resolve));
      dataset.resume();
      return { status: 0 };
    });
    const sent = storeFiles({ ...to(), files: [part10()] });
    await vi.waitFor(() => expect(release).toBeDefined());
    await vi.advanceTimersByTimeAsync(600_000);
    release?.();
    vi.useRealTimers();
    expect(await sent).toMatchObject([{ status: 0 }]);
  });
});
