import { afterEach, describe, expect, it } from 'vitest';

import { ctImageStorage } from '../test-support/objects.js';
import { openPolicy, type Provider, startProvider, until } from '../test-support/providers.js';
import {
  associateRq,
  Command,
  commandSet,
  Data,
  pData,
  pdv,
  RawPeer,
  statusOf,
  withDataset,
} from '../test-support/raw-peer.js';
import type { RequestHandler } from './index.js';
import { keptDatasets } from './exchange/kept-datasets.js';

const mib = 1024 * 1024;
const find = pData(pdv(1, Command.last, commandSet(0x0020, 1, [withDataset])));
/** A PDU of an identifier that goes on. */
const piece = (bytes: number): Buffer => pData(pdv(1, Data.more, Buffer.alloc(bytes)));
const last = pData(pdv(1, Data.last, Buffer.alloc(1)));

let provider: Provider;
const peers: RawPeer[] = [];
afterEach(async () => {
  peers.splice(0).forEach((peer) => peer.socket.destroy());
  await provider.server.close(0);
});

async function start(
  limits: NonNullable<NonNullable<Parameters<typeof startProvider>[0]>['limits']>,
  handler: RequestHandler = {},
): Promise<void> {
  provider = await startProvider({ limits }, undefined, { handler, policy: openPolicy([ctImageStorage]) });
}

async function associated(callingAet: string): Promise<RawPeer> {
  const contexts = [
    { id: 1, abstractSyntax: '1.2.840.10008.5.1.4.1.2.2.1', transferSyntaxes: ['1.2.840.10008.1.2.1'] },
  ];
  const peer = (await RawPeer.connect(provider.port)).send(associateRq({ callingAet, contexts }));
  peers.push(peer);
  await peer.next(2);
  return peer;
}

/** Nothing matches, after `ms`. */
const finds = (ms = 0): RequestHandler => ({
  async *find() {
    await new Promise((resolve) => setTimeout(resolve, ms));
  },
});

describe('identifiers of a peer that begins many and ends none', () => {
  it('take a quarter of the room: its next one is refused, those of other peers are served', async () => {
    await start({ identifierBytesMax: 4 * mib }, finds());
    for (let index = 0; index < 16; index++) {
      const peer = (await associated('HOSTILE')).send(find);
      for (let sent = 0; sent < 4 * mib; sent += mib / 8) peer.send(piece(mib / 8));
    }
    await until(() => keptDatasets.byteCount === 64 * mib);
    const next = (await associated('HOSTILE')).send(find, last);
    expect(statusOf(await next.next(4))).toBe(0xa700);
    const other = (await associated('CT1')).send(find, piece(1_000), last);
    expect(statusOf(await other.next(4))).toBe(0);
    for (const peer of peers) peer.socket.destroy();
    await until(() => keptDatasets.byteCount === 0);
  });

  it('end their association where the whole does not come in time, however steadily it drips', async () => {
    await start({ idleTimeoutMs: 5_000, messageTimeoutMs: 300 }, finds());
    const peer = (await associated('HOSTILE')).send(find);
    const dripping = setInterval(() => peer.send(piece(1)), 20);
    try {
      await peer.next(7);
    } finally {
      clearInterval(dripping);
    }
    await until(() => provider.ends.length === 1);
    expect(provider.ends).toEqual([{ how: 'aborted', by: 'us', code: 'dimse.message-late' }]);
    await until(() => keptDatasets.byteCount === 0);
  });

  it('have nothing to do with the time we take to answer', async () => {
    await start({ messageTimeoutMs: 100 }, finds(400));
    const peer = (await associated('CT1')).send(find, piece(10), last);
    expect(statusOf(await peer.next(4))).toBe(0);
    expect(provider.ends).toEqual([]);
  });
});
