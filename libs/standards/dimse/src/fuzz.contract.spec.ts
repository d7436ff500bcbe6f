import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { ctImageStorage, dataset } from '../test-support/objects.js';
import { openPolicy, type Provider, startProvider, until } from '../test-support/providers.js';
import {
  abortRq,
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
  storeCommand,
  withDataset,
} from '../test-support/raw-peer.js';
import { echo } from './index.js';

const runs = Number(process.env['CALLOSUM_FUZZ_RUNS'] ?? 1_000);
const seed = 20261126;

let provider: Provider;
beforeAll(async () => {
  const answer = (): Promise<{ status: number }> => Promise.resolve({ status: 0 });
  provider = await startProvider({ limits: { artimMs: 500, idleTimeoutMs: 500 } }, undefined, {
    policy: openPolicy([ctImageStorage], { operationsMax: 4 }),
    handler: {
      async *find({ identifier }) {
        for (let count = 0; count < 3; count++) yield await Promise.resolve({ identifier });
      },
      async *move() {
        return await Promise.resolve({ counts: { remaining: 0, completed: 1, failed: 0, warning: 0 } });
      },
      nAction: answer,
      nCreate: answer,
      nSet: answer,
    },
  });
});
afterAll(() => provider.server.close(0));

const contexts = [
  { id: 1, abstractSyntax: ctImageStorage, transferSyntaxes: ['1.2.840.10008.1.2.1', '1.2.840.10008.1.2'] },
  { id: 3, abstractSyntax: '1.2.840.10008.5.1.4.1.2.2.1', transferSyntaxes: ['1.2.840.10008.1.2'] },
];
const messages: Buffer[] = [
  pData(pdv(1, Command.last, storeCommand())),
  pData(pdv(1, Data.more, dataset({ pixelBytes: 3_000 }))),
  pData(pdv(1, Data.last, Buffer.alloc(20))),
  pData(pdv(1, Command.last, commandSet(0x0030, 2))),
  pData(pdv(3, Command.last, commandSet(0x0020, 3, [withDataset]))),
  pData(pdv(3, Data.last, Buffer.alloc(100))),
  pData(pdv(3, Command.last, commandSet(0x0021, 4, [withDataset])), pdv(3, Data.last, Buffer.alloc(10))),
  pData(pdv(3, Command.last, commandSet(0x0130, 5))),
  pData(
    pdv(3, Command.more, commandSet(0x0140, 6).subarray(0, 9)),
    pdv(3, Command.last, commandSet(0x0140, 6).subarray(9)),
  ),
  pData(pdv(1, Command.last, cancelCommand(3))),
  pData(pdv(1, Command.last, echoResponse(1))),
  associateRq({ contexts }),
  releaseRq,
  abortRq,
];
const mutation = fc.record({
  at: fc.double({ min: 0, max: 0.999_999, noNaN: true }),
  byte: fc.oneof(fc.constantFrom(0, 0xff, 0x7f, 0x80, 1, 2, 3), fc.nat(255)),
});
const conversation = fc.record({
  asynchronous: fc.constantFrom(0, 4),
  order: fc.array(fc.nat(messages.length - 1), { minLength: 1, maxLength: 8 }),
  mutations: fc.array(mutation, { maxLength: 6 }),
  /** The association request is mutated too. */
  whole: fc.boolean(),
  /** How the connection ends, and where it is cut. */
  cut: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  reset: fc.boolean(),
});

it('mutated PDUs, command sets and datasets end an association at most, never the others', async () => {
  const other = { host: '127.0.0.1', port: provider.port, calledAet: 'CALLOSUM', callingAet: 'OTHER' };
  let count = 0;
  await fc.assert(
    fc.asyncProperty(conversation, async ({ asynchronous, order, mutations, whole, cut, reset }) => {
      const peer = await RawPeer.connect(provider.port);
      const request = associateRq({ contexts, asynchronous });
      const rest = Buffer.concat(order.map((index) => messages[index] ?? abortRq));
      let bytes = Buffer.concat([request, rest]);
      const from = whole ? 0 : request.length;
      for (const { at, byte } of mutations) bytes.writeUInt8(byte, from + Math.floor(at * (bytes.length - from)));
      if (cut !== null) bytes = bytes.subarray(0, Math.floor(cut * bytes.length));
      peer.send(bytes);
      if (reset) peer.socket.resetAndDestroy();
      else peer.socket.end();
      await until(() => peer.closed || reset);
      peer.socket.destroy();
      if (++count % 100 === 0) expect(await echo(other)).toEqual({ status: 0 });
    }),
    { seed, numRuns: runs, endOnFailure: true },
  );
  await until(() => provider.server.connectionCount === 0);
  expect(provider.errors).toEqual([]);
  expect(provider.ends.length).toBe(provider.associations.length);
  expect(await echo(other)).toEqual({ status: 0 });
});
