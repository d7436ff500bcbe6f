import { describe, expect, it } from 'vitest';

import { CollectedDataset } from '../exchange/arrivals.js';
import { Control } from '../upper-layer/pdu.js';
import { type CommandSet, encodeCommandSet } from './command-set.js';
import { DatasetStream } from './dataset-stream.js';
import { GrowingBytes } from './growing-bytes.js';
import { MessageReceiver } from './message-receiver.js';

const bytes = Buffer.from(Array.from({ length: 1_000 }, (_, index) => index & 0xff));

/**
 * Gives `bytes` one by one, each in a chunk of its own as the socket gives them, and overwrites the chunk: who kept a
 * piece as it came, and the chunk with it, sees that.
 */
function drip(all: Buffer, take: (piece: Buffer, isLast: boolean) => void): void {
  const chunk = Buffer.alloc(64 * 1024);
  for (const [index, byte] of all.entries()) {
    chunk[100] = byte;
    take(chunk.subarray(100, 101), index === all.length - 1);
    chunk.fill(0xee);
  }
}

describe('pieces of one byte hold no chunk of the socket', () => {
  it('of a dataset that is kept whole', () => {
    const collected = new CollectedDataset(bytes.length, () => undefined);
    drip(bytes, (piece) => collected.write(piece));
    expect(collected.tooLong).toBe(false);
    expect(collected.take().equals(bytes)).toBe(true);
  });

  it('of a dataset that nobody reads yet, and they are read as one', async () => {
    let held = 0;
    const stream = new DatasetStream((taken) => (held -= taken));
    drip(bytes, (piece) => (held += stream.append(piece)));
    expect(held).toBe(bytes.length);
    stream.complete();
    const read = (await stream.toArray()) as Buffer[];
    expect(read).toHaveLength(1);
    expect(read[0]?.equals(bytes)).toBe(true);
    expect(held).toBe(0);
  });

  it('of a command', () => {
    const commands: CommandSet[] = [];
    const receiver = new MessageReceiver({ commandBytesMax: 1_000, objectBytesMax: 1_000 }, (_id, command) => {
      commands.push(command);
      return undefined;
    });
    const echo = { commandField: 0x0030, messageId: 7, affectedSopClassUid: '1.2.840.10008.1.1', hasDataset: false };
    for (let count = 0; count < 2; count++)
      drip(encodeCommandSet(echo), (piece, isLast) =>
        receiver.value(1, Control.Command | (isLast ? Control.Last : 0), piece, true),
      );
    expect(commands).toEqual([expect.objectContaining(echo), expect.objectContaining(echo)]);
  });
});

it('small pieces between large ones keep their order, and are given back when nobody wants them', async () => {
  let held = 0;
  const taken = (count: number): void => void (held -= count);
  const pieces = [1, 20_000, 3, 0, 15_000, 15_000, 15_000, 40_000, 5].map((length, index) =>
    Buffer.alloc(length, index),
  );
  const stream = new DatasetStream(taken);
  for (const piece of pieces) held += stream.append(piece);
  stream.complete();
  expect(Buffer.concat((await stream.toArray()) as Buffer[]).equals(Buffer.concat(pieces))).toBe(true);
  expect(held).toBe(0);
  const unread = new DatasetStream(taken);
  for (const piece of pieces) held += unread.append(piece);
  unread.destroy();
  expect(held).toBe(0);
});

it('a dataset over its limit is not kept, and nothing after it', () => {
  const collected = new CollectedDataset(10, () => undefined);
  for (const length of [6, 6, 1]) collected.write(Buffer.alloc(length));
  expect(collected.tooLong).toBe(true);
  expect(collected.take()).toHaveLength(0);
});

it('the room for bytes doubles up to their limit', () => {
  const growing = new GrowingBytes(100_000);
  const rooms: number[] = [];
  for (const count of [40_000, 70_000]) {
    for (let index = 0; index < count; index++) growing.append(Buffer.from([index & 0xff]));
    const all = growing.take();
    expect(all.every((byte, index) => byte === (index & 0xff)) && all.length).toBe(count);
    rooms.push(all.buffer.byteLength);
  }
  expect(rooms).toEqual([65_536, 100_000]);
  expect(growing.byteCount).toBe(0);
});
