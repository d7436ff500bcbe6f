import { afterEach, describe, expect, it } from 'vitest';

import { ctImageStorage, dataset } from '../test-support/objects.js';
import { openPolicy, type Provider, startProvider, until } from '../test-support/providers.js';
import {
  answeredMessageId,
  associateRq,
  cancelCommand,
  Command,
  commandSet,
  Data,
  echoResponse,
  pData,
  pdv,
  RawPeer,
  releaseRq,
  statusOf,
  storeCommand,
  withDataset,
} from '../test-support/raw-peer.js';
import type { RequestHandler, StoreAnswer, StoreRequest } from './index.js';

let provider: Provider;
const peers: RawPeer[] = [];
afterEach(async () => {
  peers.splice(0).forEach((peer) => peer.socket.destroy());
  await provider.server.close(0);
});

async function associated(
  asynchronous = 0,
  store?: (request: StoreRequest) => Promise<StoreAnswer>,
  handler: RequestHandler = {},
): Promise<RawPeer> {
  const policy = openPolicy([ctImageStorage], { operationsMax: 4 });
  provider = await startProvider({ limits: { artimMs: 1_000 } }, store, { handler, policy });
  const peer = await RawPeer.connect(provider.port);
  peers.push(peer);
  peer.send(associateRq({ asynchronous }));
  await peer.next(2);
  return peer;
}

const abortedBy = async (peer: RawPeer): Promise<[number[], string]> => {
  const reason = [...(await peer.next(7)).subarray(8)];
  await until(() => provider.ends.length === 1);
  const [end] = provider.ends;
  return [reason, end?.how === 'aborted' ? end.code : ''];
};

describe('messages that cannot be', () => {
  it.each([
    [
      'of a command field that does not exist',
      pData(pdv(1, Command.last, commandSet(0x0044, 1))),
      6,
      'dimse.malformed-message',
    ],
    ['that answer what nobody asked', pData(pdv(1, Command.last, echoResponse(1))), 2, 'dimse.unexpected-response'],
    ['that are no command set', pData(pdv(1, Command.last, Buffer.from('hello, world'))), 6, 'dimse.malformed-message'],
    ['of a dataset alone', pData(pdv(1, Data.last, dataset())), 2, 'dimse.unexpected-dataset'],
    [
      'over two contexts',
      Buffer.concat([pData(pdv(1, Command.more, storeCommand())), pData(pdv(3, Command.last, storeCommand()))]),
      6,
      'dimse.unknown-context',
    ],
  ])('%s end the association', async (_which, bytes, reason, code) => {
    const peer = (await associated()).send(bytes);
    expect(await abortedBy(peer)).toEqual([[2, reason], code]);
  });

  it('without a message id end the association', async () => {
    const echo = commandSet(0x0030, 1);
    // The element's number becomes one that is passed over.
    echo.writeUInt16LE(0x0111, echo.indexOf(Buffer.from([0x10, 0x01, 2, 0, 0, 0])));
    const peer = (await associated()).send(pData(pdv(1, Command.last, echo)));
    expect(await abortedBy(peer)).toEqual([[2, 6], 'dimse.malformed-message']);
  });

  it('empty fragments without end hold nothing', async () => {
    const peer = await associated();
    const before = process.memoryUsage().heapUsed;
    const empty = pData(...Array.from({ length: 1_000 }, () => pdv(1, Command.more, Buffer.alloc(0))));
    for (let index = 0; index < 200; index++) peer.send(empty);
    peer.send(pData(pdv(1, Command.last, commandSet(0x0030, 1))));
    expect(statusOf(await peer.next(4))).toBe(0);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(50_000_000);
  });
});

describe('a C-CANCEL', () => {
  it('for nothing, or for what was answered, is passed over', async () => {
    const peer = await associated();
    peer.send(pData(pdv(1, Command.last, cancelCommand(9))), pData(pdv(1, Command.last, commandSet(0x0030, 1))));
    expect(statusOf(await peer.next(4))).toBe(0);
    peer.send(pData(pdv(1, Command.last, cancelCommand(1))), releaseRq);
    await peer.next(6);
  });
});

describe('a message id in flight', () => {
  it('a second time is answered 0210; the first goes on', async () => {
    let answer: (() => void) | undefined;
    const peer = await associated(4, async ({ dataset: bytes }) => {
      bytes.resume();
      await new Promise<void>((resolve) => (answer = resolve));
      return { status: 0 };
    });
    const store = [pData(pdv(1, Command.last, storeCommand())), pData(pdv(1, Data.last, dataset()))];
    peer.send(...store, ...store);
    expect(statusOf(await peer.next(4))).toBe(0x0210);
    answer?.();
    expect(statusOf(await peer.next(4))).toBe(0);
  });
});

describe('requests at the same time', () => {
  const stores = (count: number): Buffer[] =>
    Array.from({ length: count }, (_, index) => [
      pData(pdv(1, Command.last, storeCommand(`1.2.${index}`, ctImageStorage, index + 1))),
      pData(pdv(1, Data.last, dataset())),
    ]).flat();

  it.each([
    [0, 1],
    [3, 3],
    [200, 4],
  ])('with a window of %i proposed are served %i at a time; the others wait and none is lost', async (window, most) => {
    let running = 0;
    let seen = 0;
    const peer = await associated(window, async ({ dataset: bytes }) => {
      seen = Math.max(seen, ++running);
      bytes.resume();
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      return { status: 0 };
    });
    peer.send(...stores(20));
    const answered = new Set<number>();
    for (let count = 0; count < 20; count++) answered.add(answeredMessageId(await peer.next(4)));
    expect(answered.size).toBe(20);
    expect(seen).toBe(most);
  });

  it('that nobody waits for end with the association: signals say so, streams fail', async () => {
    const failures: unknown[] = [];
    const peer = await associated(4, async ({ dataset: bytes, signal }) => {
      const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve));
      bytes.resume();
      bytes.on('error', (error) => failures.push(error));
      await aborted;
      throw signal.reason as Error;
    });
    peer.send(...stores(2), pData(pdv(1, Command.last, storeCommand('1.2.9', ctImageStorage, 9))));
    await new Promise((resolve) => setTimeout(resolve, 50));
    peer.socket.resetAndDestroy();
    await until(() => provider.ends.length === 1);
    expect(provider.ends).toEqual([{ how: 'lost' }]);
    expect(failures).toHaveLength(1);
    expect(provider.errors).toEqual([]);
    await until(() => provider.server.connectionCount === 0);
  });
});

describe('an identifier over the limit', () => {
  it('is thrown away as it comes', async () => {
    const peer = await associated();
    peer.send(pData(pdv(1, Command.last, commandSet(0x0020, 1, [withDataset]))));
    for (let index = 0; index < 100; index++)
      peer.send(pData(pdv(1, index === 99 ? Data.last : Data.more, Buffer.alloc(16_000))));
    // Nobody serves C-FIND here.
    expect(statusOf(await peer.next(4))).toBe(0x0211);
  });
});
