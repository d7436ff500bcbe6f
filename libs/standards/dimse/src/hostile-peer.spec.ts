import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';

import { ctImageStorage, dataset } from '../test-support/objects.js';
import { type Provider, startProvider, until } from '../test-support/providers.js';
import {
  abortRq,
  associateRq,
  Command,
  Data,
  pData,
  pdu,
  pdv,
  RawPeer,
  releaseRq,
  statusOf,
  storeCommand,
} from '../test-support/raw-peer.js';
import { AssociationAbortedError, echo, StoreStatus } from './index.js';

let provider: Provider;
const peers: RawPeer[] = [];
afterEach(async () => {
  peers.splice(0).forEach((peer) => peer.socket.destroy());
  await provider.server.close(0);
});

async function connected(): Promise<RawPeer> {
  const peer = await RawPeer.connect(provider.port);
  peers.push(peer);
  return peer;
}

async function associated(...request: Parameters<typeof associateRq>): Promise<RawPeer> {
  const peer = (await connected()).send(associateRq(...request));
  await peer.next(2);
  return peer;
}

/** The provider still serves others. */
async function expectAlive(): Promise<void> {
  expect(await echo({ host: '127.0.0.1', port: provider.port, calledAet: 'CALLOSUM', callingAet: 'OTHER' })).toEqual({
    status: 0,
  });
}

describe('bytes that are no DICOM', () => {
  it('a PDU declared with 4 GB is aborted from its header alone', async () => {
    provider = await startProvider();
    const peer = await associated();
    const before = process.memoryUsage().rss;
    peer.send(Buffer.from([4, 0, 0xff, 0xff, 0xff, 0xfe]));
    expect((await peer.next(7)).subarray(8)).toEqual(Buffer.from([2, 6]));
    for (let index = 0; index < 50; index++) peer.send(Buffer.alloc(1_000_000));
    await until(() => peer.closed);
    expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000);
    expect(provider.ends).toEqual([{ how: 'aborted', by: 'us', code: 'dimse.pdu-too-long' }]);
    await expectAlive();
  });

  it('an unknown PDU type is aborted as unrecognized', async () => {
    provider = await startProvider();
    const peer = (await connected()).send(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    expect((await peer.next(7)).subarray(8)).toEqual(Buffer.from([2, 1]));
    await until(() => provider.bad.length === 1);
    expect(provider.bad).toEqual(['dimse.unrecognized-pdu']);
    await expectAlive();
  });

  it('seeded garbage never takes the provider down', async () => {
    provider = await startProvider();
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        fc.constantFrom(1, 4, 5, 7),
        fc.boolean(),
        async (bytes, type, first) => {
          const peer = first ? await connected() : await associated();
          peer.send(pdu(type, Buffer.from(bytes)));
          peer.socket.end();
          await until(() => peer.closed);
          peer.socket.destroy();
        },
      ),
      { seed: 20261122, numRuns: 150 },
    );
    await until(() => provider.server.connectionCount === 0);
    await expectAlive();
    expect(provider.errors).toEqual([]);
  });
});

describe('PDUs out of turn', () => {
  it.each([
    ['P-DATA before an association', () => connected(), pData(pdv(1, Command.last, storeCommand()))],
    ['a second association request', () => associated(), associateRq()],
    ['an A-ASSOCIATE-AC', () => connected(), pdu(2, Buffer.alloc(100))],
    ['a release response', () => associated(), pdu(6, Buffer.alloc(4))],
  ])('%s is aborted as unexpected', async (_name, open, bytes) => {
    provider = await startProvider();
    const peer = (await open()).send(bytes);
    expect((await peer.next(7)).subarray(8)).toEqual(Buffer.from([2, 2]));
    await until(() => peer.closed);
  });

  it('a command inside a dataset is aborted and leaves nothing', async () => {
    provider = await startProvider();
    const peer = await associated();
    peer.send(
      pData(pdv(1, Command.last, storeCommand())),
      pData(pdv(1, Data.more, dataset())),
      pData(pdv(1, Command.last, storeCommand())),
    );
    await peer.next(7);
    await until(() => provider.ends.length === 1);
    expect(provider.failedStores).toHaveLength(1);
    expect(provider.stored).toEqual([]);
  });

  it('a command set without end is aborted', async () => {
    provider = await startProvider();
    const peer = await associated();
    for (let index = 0; index < 10; index++) peer.send(pData(pdv(1, Command.more, Buffer.alloc(8_000))));
    await peer.next(7);
    await until(() => provider.ends.length === 1);
    expect(provider.ends[0]).toMatchObject({ code: 'dimse.message-too-long' });
  });

  it('a dataset longer than the limit is aborted', async () => {
    provider = await startProvider({ limits: { objectBytesMax: 20_000 } });
    const peer = await associated();
    peer.send(pData(pdv(1, Command.last, storeCommand())));
    for (let index = 0; index < 10; index++) peer.send(pData(pdv(1, Data.more, Buffer.alloc(8_000))));
    await peer.next(7);
    await until(() => provider.ends.length === 1);
    expect(provider.stored).toEqual([]);
  });

  it('a value longer than its PDU is aborted', async () => {
    provider = await startProvider();
    const peer = (await associated()).send(pdu(4, Buffer.from([0, 0, 1, 0, 1, 3, 0, 0])));
    expect((await peer.next(7)).subarray(8)).toEqual(Buffer.from([2, 6]));
  });
});

describe('a C-STORE that does not end', () => {
  const half = [pData(pdv(1, Command.last, storeCommand())), pData(pdv(1, Data.more, dataset()))];

  it('aborted by the sender fails for whoever reads, and is told', async () => {
    provider = await startProvider();
    (await associated()).send(...half, abortRq);
    await until(() => provider.ends.length === 1);
    expect(provider.failedStores[0]).toBeInstanceOf(AssociationAbortedError);
    expect(provider.ends).toEqual([{ how: 'aborted', by: 'peer', code: 'dimse.aborted-by-peer' }]);
    expect(provider.stored).toEqual([]);
    expect(provider.errors).toEqual([]);
  });

  it.each([
    ['cut off', (peer: RawPeer) => peer.socket.resetAndDestroy()],
    ['half closed', (peer: RawPeer) => peer.socket.end()],
  ])('%s is lost', async (_name, cut) => {
    provider = await startProvider();
    const peer = (await associated()).send(...half);
    await until(() => provider.associations.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    cut(peer);
    await until(() => provider.ends.length === 1);
    expect(provider.ends).toEqual([{ how: 'lost' }]);
    expect(provider.failedStores).toHaveLength(1);
  });

  it('silent past the idle limit is aborted', async () => {
    provider = await startProvider({ limits: { idleTimeoutMs: 100 } });
    const peer = (await associated()).send(...half);
    await peer.next(7);
    await until(() => provider.ends.length === 1);
    expect(provider.ends).toEqual([{ how: 'aborted', by: 'us', code: 'dimse.idle' }]);
  });

  it('dripping byte by byte does not escape the idle limit', async () => {
    provider = await startProvider({ limits: { idleTimeoutMs: 150 } });
    const peer = await associated();
    peer.send(pData(pdv(1, Command.more, Buffer.alloc(250))).subarray(0, 12));
    const timer = setInterval(() => peer.send(Buffer.from([0])), 20);
    await peer.next(7);
    clearInterval(timer);
    await until(() => provider.ends.length === 1);
    expect(provider.ends[0]).toMatchObject({ code: 'dimse.idle' });
  });

  it('trickling in whole PDUs does not hold its association for ever', async () => {
    provider = await startProvider({ limits: { idleTimeoutMs: 600 } });
    const peer = (await associated()).send(...half);
    const timer = setInterval(() => peer.send(pData(pdv(1, Data.more, Buffer.alloc(1)))), 20);
    await peer.next(7);
    clearInterval(timer);
    await until(() => provider.ends.length === 1);
    expect(provider.ends).toEqual([{ how: 'aborted', by: 'us', code: 'dimse.message-late' }]);
    expect(provider.failedStores).toHaveLength(1);
  });

  it('slow, but at more than the least rate, is taken', async () => {
    provider = await startProvider({ limits: { idleTimeoutMs: 1_000 } });
    const peer = (await associated()).send(...half);
    // Longer than two looks at it, each a second after the other.
    for (let sent = 0; sent < 50; sent++) {
      peer.send(pData(pdv(1, Data.more, Buffer.alloc(1_000))));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(provider.ends).toEqual([]);
    expect(peer.closed).toBe(false);
  });

  it('released inside is aborted', async () => {
    provider = await startProvider();
    (await associated()).send(...half, releaseRq);
    await until(() => provider.ends.length === 1);
    expect(provider.ends[0]).toMatchObject({ how: 'aborted', by: 'us' });
  });
});

describe('a connection that asks for nothing', () => {
  it('is closed after the ARTIM time', async () => {
    provider = await startProvider({ limits: { artimMs: 100 } });
    const peer = await connected();
    await until(() => peer.closed);
    expect(provider.bad).toEqual(['dimse.no-association']);
  });
});

describe('a C-STORE', () => {
  it('in fragments of one byte, several in one PDU with its command, arrives whole', async () => {
    provider = await startProvider();
    const bytes = dataset({ pixelBytes: 64 });
    const peer = await associated();
    const values = [...bytes].map((byte, index) =>
      pdv(1, index === bytes.length - 1 ? Data.last : Data.more, Buffer.from([byte])),
    );
    peer.send(pData(pdv(1, Command.last, storeCommand()), ...values));
    expect(statusOf(await peer.next(4))).toBe(0);
    expect(provider.stored[0]?.bytes.equals(bytes)).toBe(true);
    peer.send(releaseRq);
    await peer.next(6);
  });

  it('whose SOP class is not that of its context is refused with 0122, without a handler', async () => {
    provider = await startProvider();
    const peer = await associated();
    peer.send(
      pData(pdv(1, Command.last, storeCommand('1.2.3', '1.2.840.10008.5.1.4.1.1.4'))),
      pData(pdv(1, Data.last, dataset())),
    );
    expect(statusOf(await peer.next(4))).toBe(StoreStatus.SopClassNotSupported);
    expect(provider.stored).toEqual([]);
  });

  it('on a context that was refused, or never proposed, ends the association', async () => {
    provider = await startProvider();
    const refused = { id: 1, abstractSyntax: ctImageStorage, transferSyntaxes: ['1.2.3'] };
    for (const id of [1, 3]) {
      const peer = await associated({ contexts: [refused] });
      peer.send(pData(pdv(id, Command.last, storeCommand())), pData(pdv(id, Data.last, dataset())));
      expect((await peer.next(7)).subarray(8)).toEqual(Buffer.from([2, 6]));
    }
    await until(() => provider.ends.length === 2);
    expect(provider.ends[0]).toEqual({ how: 'aborted', by: 'us', code: 'dimse.unknown-context' });
    expect(provider.stored).toEqual([]);
  });
});

describe('shutting down', () => {
  it('lets a C-STORE under way and its association end, and takes no new one', async () => {
    provider = await startProvider();
    const peer = await associated();
    peer.send(pData(pdv(1, Command.last, storeCommand())), pData(pdv(1, Data.more, dataset())));
    const closed = provider.server.close(5_000);
    await expect(RawPeer.connect(provider.port)).rejects.toThrow();
    peer.send(pData(pdv(1, Data.last, Buffer.alloc(2))));
    expect(statusOf(await peer.next(4))).toBe(0);
    peer.send(releaseRq);
    await peer.next(6);
    peer.socket.destroy();
    await closed;
    expect(provider.ends).toEqual([{ how: 'released' }]);
  });

  it('aborts what is still there when its time is over', async () => {
    provider = await startProvider();
    const peer = await associated();
    await provider.server.close(50);
    await peer.next(7);
    expect(provider.ends).toEqual([{ how: 'aborted', by: 'us', code: 'dimse.shutting-down' }]);
  });
});
