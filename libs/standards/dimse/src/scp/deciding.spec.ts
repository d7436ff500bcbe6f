import { afterEach, expect, it } from 'vitest';

import { type Provider, startProvider, until } from '../../test-support/providers.js';
import { abortRq, associateRq, RawPeer, releaseRq } from '../../test-support/raw-peer.js';
import { echo } from '../index.js';

let provider: Provider;
const peers: RawPeer[] = [];
const given: AbortSignal[] = [];
afterEach(async () => {
  peers.splice(0).forEach((peer) => peer.socket.destroy());
  given.length = 0;
  await provider.server.close(0);
});

/** Decides about SLOW only when it is gone, and lets everybody else in; there is room for one. */
const start = async (): Promise<void> => {
  provider = await startProvider({
    limits: { associationsMax: 1, artimMs: 400 },
    onAssociation: (info, gone) => {
      if (info.callingAet !== 'SLOW') return { handler: { ended: () => undefined } };
      given.push(gone);
      return new Promise((_resolve, reject) =>
        gone.addEventListener('abort', () => reject(gone.reason as Error), { once: true }),
      );
    },
  });
};
const asking = async (): Promise<RawPeer> => {
  const peer = (await RawPeer.connect(provider.port)).send(associateRq({ callingAet: 'SLOW' }));
  peers.push(peer);
  await until(() => given.length === peers.length);
  return peer;
};
const other = () => echo({ host: '127.0.0.1', port: provider.port, calledAet: 'CALLOSUM', callingAet: 'OTHER' });

it.each<[string, (peer: RawPeer) => unknown, string]>([
  ['closes its connection', ({ socket }) => socket.end(), 'dimse.connection-lost'],
  ['resets its connection', ({ socket }) => socket.resetAndDestroy(), 'dimse.connection-lost'],
  ['sends A-ABORT', (peer) => peer.send(abortRq), 'dimse.aborted-by-peer'],
  [
    'sends A-ABORT in drops',
    async (peer) => {
      for (const byte of abortRq) {
        peer.send(Buffer.of(byte));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    'dimse.aborted-by-peer',
  ],
])('a peer that %s while it is decided about gives its place back at once', async (_how, go, code) => {
  await start();
  const peer = await asking();
  await expect(other()).rejects.toMatchObject({ result: 2, source: 3, reason: 2 });
  await go(peer);
  await until(() => given[0]?.aborted === true);
  expect(await other()).toEqual({ status: 0 });
  await until(() => provider.bad.length === 1);
  expect(provider.bad).toEqual([code]);
  expect(provider.errors).toEqual([]);
});

it('a peer that only waits is decided about for as long as that takes, also one that says too much too soon', async () => {
  await start();
  const [first, second] = [await asking(), (await RawPeer.connect(provider.port)).send(associateRq(), releaseRq)];
  peers.push(second);
  first.send(releaseRq);
  // Past the time a connection has without an association.
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect([first.closed, given[0]?.aborted]).toEqual([false, false]);
  await second.next(3);
});
