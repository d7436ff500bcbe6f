import { createServer, type AddressInfo } from 'node:net';

import { echo, storeFiles } from '@callosum/dimse';
import { tinySeries } from '@callosum/phantom';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { SinkAssociation } from './sink-association.js';

let stored = 0;
/** Bytes the sink is given at once. */
let pieceBytes = Number.MAX_SAFE_INTEGER;
const server = createServer((socket) => {
  const sink = new SinkAssociation({ reply: (pdu) => void socket.write(pdu), stored: () => stored++ });
  socket
    .on('error', () => undefined)
    .on('data', (chunk: Buffer) => {
      for (let at = 0; at < chunk.byteLength; at += pieceBytes) sink.take(chunk.subarray(at, at + pieceBytes));
    });
});
const target = () => ({
  host: '127.0.0.1',
  port: (server.address() as AddressInfo).port,
  calledAet: 'SINK',
  callingAet: 'BENCH',
});

beforeEach(async () => {
  stored = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

it.each([1, 7, Number.MAX_SAFE_INTEGER])(
  'answers every object and a release, given %s bytes at once',
  async (bytes) => {
    pieceBytes = bytes;
    const files = tinySeries({ slices: 5 }).map((instance) => instance.bytes);
    const outcomes = await storeFiles({ ...target(), files });
    expect(outcomes.map(({ status }) => status)).toEqual([0, 0, 0, 0, 0]);
    expect(stored).toBe(5);
  },
);

it('answers C-ECHO, which has no dataset', async () => {
  pieceBytes = Number.MAX_SAFE_INTEGER;
  expect(await echo(target())).toMatchObject({ status: 0 });
  expect(stored).toBe(0);
});

it('what is no association is refused', () => {
  const sink = new SinkAssociation({ reply: () => undefined, stored: () => undefined });
  expect(() => sink.take(Buffer.from([1, 0, 0xff, 0xff, 0xff, 0xff]))).toThrow(RangeError);
});
