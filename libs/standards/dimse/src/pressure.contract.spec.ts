import { afterEach, describe, expect, it } from 'vitest';

import { ctImageStorage } from '../test-support/objects.js';
import { openPolicy, type Provider, startProvider } from '../test-support/providers.js';
import {
  associateRq,
  Command,
  commandSet,
  Data,
  pData,
  pdv,
  RawPeer,
  statusOf,
  storeCommand,
} from '../test-support/raw-peer.js';
import { drained, identifier, proposed, studyRootFind } from '../test-support/services.js';
import {
  echo,
  type RequestHandler,
  ScuAssociation,
  type StoreAnswer,
  type StoreRequest,
  StoreStatus,
} from './index.js';

let provider: Provider;
const peers: RawPeer[] = [];
afterEach(async () => {
  peers.splice(0).forEach((peer) => peer.socket.destroy());
  await provider.server.close(0);
});

async function connected(asynchronous = 0): Promise<RawPeer> {
  const peer = await RawPeer.connect(provider.port);
  peers.push(peer);
  peer.send(associateRq({ asynchronous }));
  await peer.next(2);
  return peer;
}

describe('one C-STORE', () => {
  it('stops the sender while nobody reads, and loses nothing when somebody does', async () => {
    let read: (() => void) | undefined;
    const reading = new Promise<void>((resolve) => (read = resolve));
    let received = 0;
    provider = await startProvider({}, async ({ dataset: stream }) => {
      await reading;
      for await (const chunk of stream) received += (chunk as Buffer).length;
      return { status: 0 };
    });
    const peer = await connected();
    const before = process.memoryUsage();
    const fragment = Buffer.alloc(16_000);
    const count = 4_000; // 64 MB
    let taken = 0;
    peer.send(pData(pdv(1, Command.last, storeCommand())));
    const sending = (async () => {
      for (let index = 0; index < count; index++) {
        if (!peer.socket.write(pData(pdv(1, index === count - 1 ? Data.last : Data.more, fragment))))
          await new Promise((resolve) => peer.socket.once('drain', resolve));
        taken += fragment.length;
      }
    })();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const stalledAt = taken;
    // What is under way is in the kernel's socket buffers and our one buffer, not on the heap.
    expect(stalledAt).toBeLessThan(16_000_000);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(taken).toBe(stalledAt);
    const held = process.memoryUsage();
    expect(held.arrayBuffers + held.heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(32_000_000);
    read?.();
    await sending;
    expect(statusOf(await peer.next(4))).toBe(0);
    expect(received).toBe(count * fragment.length);
  });

  it('ends when the reader gives up: the rest is thrown away and the refusal sent', async () => {
    provider = await startProvider({}, async ({ dataset: stream }) => {
      for await (const chunk of stream) if ((chunk as Buffer).length > 0) break; // destroys the stream
      return { status: StoreStatus.CannotUnderstand };
    });
    const peer = await connected();
    peer.send(pData(pdv(1, Command.last, storeCommand())));
    for (let index = 0; index < 500; index++)
      peer.send(pData(pdv(1, index === 499 ? Data.last : Data.more, Buffer.alloc(16_000))));
    expect(statusOf(await peer.next(4))).toBe(0xc000);
    expect(await echo({ host: '127.0.0.1', port: provider.port, calledAet: 'CALLOSUM', callingAet: 'OTHER' })).toEqual({
      status: 0,
    });
  });
});

describe('C-STOREs at the same time', () => {
  it('hold no more bytes than one that nobody reads', async () => {
    let read: (() => void) | undefined;
    const reading = new Promise<void>((resolve) => (read = resolve));
    let received = 0;
    const store = async ({ dataset: bytes }: StoreRequest): Promise<StoreAnswer> => {
      await reading;
      for await (const chunk of bytes) received += (chunk as Buffer).length;
      return { status: 0 };
    };
    const policy = openPolicy([ctImageStorage], { operationsMax: 4 });
    provider = await startProvider({}, store, { handler: {}, policy });
    const peer = await connected(4);
    const fragment = Buffer.alloc(16_000);
    let taken = 0;
    const sending = (async () => {
      for (let message = 1; message <= 4; message++) {
        peer.send(pData(pdv(1, Command.last, storeCommand(`1.2.${message}`, ctImageStorage, message))));
        for (let index = 0; index < 1_000; index++) {
          const last = index === 999 ? Data.last : Data.more;
          if (!peer.socket.write(pData(pdv(1, last, fragment))))
            await new Promise((resolve) => peer.socket.once('drain', resolve));
          taken += fragment.length;
        }
      }
    })();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(taken).toBeLessThan(16_000_000);
    read?.();
    await sending;
    for (let count = 0; count < 4; count++) expect(statusOf(await peer.next(4))).toBe(0);
    expect(received).toBe(4 * 1_000 * fragment.length);
  });
});

describe('matches of a C-FIND', () => {
  it('are made no faster than they are read', async () => {
    let made = 0;
    const count = 20_000;
    const match = Buffer.alloc(1_000, 1);
    const handler: RequestHandler = {
      async *find() {
        for (; made < count; made++) yield await Promise.resolve({ identifier: match });
      },
    };
    provider = await startProvider({}, undefined, { handler, policy: openPolicy([]) });
    const to = { host: '127.0.0.1', port: provider.port, calledAet: 'CALLOSUM', callingAet: 'TEST' };
    const association = await ScuAssociation.open(to, [proposed(studyRootFind)]);
    const matches = association.find(association.contextFor(studyRootFind), identifier('x'));
    await matches.next();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const stalledAt = made;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(made).toBe(stalledAt);
    expect(stalledAt).toBeLessThan(count);
    expect((await drained(matches)).items).toHaveLength(count - 1);
    await association.release();
  });
});

describe('answers the peer does not read', () => {
  it('are not made without end', async () => {
    let echoes = 0;
    provider = await startProvider({}, undefined, { handler: { echoed: () => void echoes++ } });
    const peer = await connected();
    peer.socket.pause();
    const many = Buffer.concat(
      Array.from({ length: 1_000 }, (_, index) => pData(pdv(1, Command.last, commandSet(0x0030, index + 1)))),
    );
    const count = 400;
    for (let index = 0; index < count; index++) peer.socket.write(many);
    // The kernel makes its buffers larger in steps of its own; then nothing more is answered.
    let stalledAt = -1;
    for (const deadline = Date.now() + 15_000; echoes !== stalledAt && Date.now() < deadline;) {
      stalledAt = echoes;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
    expect(echoes).toBe(stalledAt);
    expect(stalledAt).toBeGreaterThan(0);
    expect(stalledAt).toBeLessThan(count * 1_000);
  });
});
