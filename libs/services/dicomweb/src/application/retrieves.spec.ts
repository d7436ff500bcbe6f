import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { ByteBudget } from '@callosum/archive';
import { ImplicitVRLittleEndian } from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';
import { beforeEach, describe, expect, it } from 'vitest';

import { readAccept } from '../domain/accept.js';
import { MemoryTakenError, RetrieveEndedError, TooManyRetrievesError } from '../domain/errors/retrieve.js';
import type { KeptInstance, KeptInstances } from './ports/archive.js';
import { ReadInstances } from './read-instances.js';
import { Retrieves } from './retrieves.js';

describe('a retrieve whose answer has ended', () => {
  const bytesMax = 1_000_000;
  let budget: ByteBudget;
  let all: Retrieves;

  beforeEach(() => {
    budget = new ByteBudget(bytesMax);
    all = new Retrieves(budget, { requestsMax: 1, memoryWaitMs: 200 });
  });

  it('holds nothing, though its turn came at the same time: who waited for it does not read on', async () => {
    const one = all.begin();
    const held = one.hold(bytesMax);
    one.end();
    await expect(held).rejects.toBeInstanceOf(RetrieveEndedError);
    await expect(one.hold(1)).rejects.toBeInstanceOf(RetrieveEndedError);
    (await budget.take(bytesMax, AbortSignal.timeout(200)))();
  });

  it('lets go of what it holds at once, though others wait', async () => {
    const two = new Retrieves(budget, { requestsMax: 2, memoryWaitMs: 200 });
    const [one, other] = [two.begin(), two.begin()];
    await one.hold(bytesMax / 2);
    const giveBack = await budget.take(bytesMax / 4);
    const waiting = other.hold(bytesMax);
    await one.hold(0);
    giveBack();
    await waiting;
    await one.hold(0);
  });

  it('keeps part of what it holds without waiting for it, though others wait', async () => {
    const two = new Retrieves(budget, { requestsMax: 2, memoryWaitMs: 200 });
    const [one, other] = [two.begin(), two.begin()];
    one.keep(1);
    await one.hold(bytesMax);
    const waiting = other.hold(bytesMax / 2);
    one.keep(bytesMax / 2);
    await waiting;
    // Never more than was held.
    one.keep(bytesMax);
    await expect(budget.take(1, AbortSignal.timeout(20))).rejects.toThrow();
    one.end();
    (await budget.take(bytesMax / 2, AbortSignal.timeout(200)))();
    other.end();
    (await budget.take(bytesMax, AbortSignal.timeout(200)))();
  });

  it('is told so, and not that others hold the memory', async () => {
    const giveBack = await budget.take(bytesMax);
    const one = all.begin();
    const held = one.hold(1);
    one.end();
    await expect(held).rejects.toBeInstanceOf(RetrieveEndedError);
    giveBack();
  });

  it('counts, and keeps its memory, until the work for it has ended too', async () => {
    const one = all.begin();
    const workEnded = one.work();
    await one.hold(bytesMax);
    one.end();
    one.end();
    expect(() => all.begin()).toThrow(TooManyRetrievesError);
    await expect(budget.take(1, AbortSignal.timeout(50))).rejects.toThrow();
    workEnded();
    workEnded();
    const next = all.begin();
    expect(() => all.begin()).toThrow(TooManyRetrievesError);
    await next.hold(bytesMax);
  });

  it('counts until the answer has been sent when the work ended before', async () => {
    const one = all.begin();
    const workEnded = one.work();
    await one.hold(bytesMax);
    workEnded();
    expect(() => all.begin()).toThrow(TooManyRetrievesError);
    await expect(budget.take(1, AbortSignal.timeout(50))).rejects.toThrow();
    one.end();
    await all.begin().hold(bytesMax);
  });

  it('of pictures leaves half of all to others, however many there are', async () => {
    const four = new Retrieves(budget, { requestsMax: 4, memoryWaitMs: 200 });
    const pictures = [four.begin('pictures'), four.begin('pictures')];
    expect(() => four.begin('pictures')).toThrow(TooManyRetrievesError);
    const others = [four.begin(), four.begin()];
    expect(() => four.begin()).toThrow(TooManyRetrievesError);
    for (const one of pictures) one.end();
    // Who asks for no picture may have all of them.
    others.push(four.begin(), four.begin());
    expect(() => four.begin('pictures')).toThrow(TooManyRetrievesError);
    others.pop()?.end();
    four.begin('pictures').end();
    // And where there is one at a time it may be a picture.
    all.begin('pictures').end();
    await all.begin().hold(bytesMax);
  });

  it('of one who asks leaves half of all to others, and half of those for pictures', async () => {
    const eight = new Retrieves(budget, { requestsMax: 8, memoryWaitMs: 200 });
    const pictures = [eight.begin('pictures', 'one'), eight.begin('pictures', 'one')];
    expect(() => eight.begin('pictures', 'one')).toThrow(TooManyRetrievesError);
    const others = [eight.begin('stored', 'one'), eight.begin('stored', 'one')];
    expect(() => eight.begin('stored', 'one')).toThrow(TooManyRetrievesError);
    for (const kind of ['pictures', 'pictures', 'stored', 'stored'] as const) others.push(eight.begin(kind, 'two'));
    expect(() => eight.begin('stored', 'three')).toThrow(TooManyRetrievesError);
    pictures.pop()?.end();
    // What was refused took none of the places.
    expect(() => eight.begin('pictures', 'two')).toThrow(TooManyRetrievesError);
    eight.begin('pictures', 'three').end();
    for (const one of [...pictures, ...others]) one.end();
    const all = Array.from({ length: 8 }, () => eight.begin());
    for (const one of all) one.end();
  });

  it('of one who asks leaves half of the memory to others, and may take more by itself', async () => {
    const eight = new Retrieves(budget, { requestsMax: 8, memoryWaitMs: 50 });
    const begin = (asker?: string) => eight.begin('stored', asker);
    const [one, another, whole] = [begin('one'), begin('one'), begin('one')];
    await one.hold(bytesMax / 2);
    await expect(another.hold(1)).rejects.toBeInstanceOf(MemoryTakenError);
    const other = begin('two');
    await other.hold(bytesMax / 2);
    for (const retrieve of [one, other]) retrieve.end();
    await whole.hold(bytesMax);
    whole.end();
    const untold = [begin(), begin()];
    for (const retrieve of untold) await retrieve.hold(bytesMax / 2);
  });

  describe('is not worked for any more', () => {
    const { bytes, studyInstanceUid, seriesInstanceUid, sopInstanceUid } = tinyCt();
    const instance: KeptInstance = {
      studyInstanceUid,
      seriesInstanceUid,
      sopInstanceUid,
      transferSyntaxUid: ImplicitVRLittleEndian,
      blobKey: 'blob',
      byteCount: bytes.length,
    };
    const asked = readAccept('application/dicom', undefined);
    const pieceBytes = Math.ceil(bytes.length / 20);
    /** Gives the object in pieces, and says when one has been taken. */
    const pieces = (onTaken: (at: number) => void): KeptInstances => ({
      locate: () => Promise.resolve([instance]),
      open: () =>
        Promise.resolve(
          Readable.from(
            (function* () {
              for (let at = 0; at < bytes.length; at += pieceBytes) {
                yield bytes.subarray(at, at + pieceBytes);
                onTaken(at);
              }
            })(),
            { objectMode: false, highWaterMark: 1 },
          ),
        ),
    });

    it.each([
      ['while it is read', 2 * pieceBytes],
      ['at its last piece', 19 * pieceBytes],
    ])('%s', async (_when, endAt) => {
      const one = all.begin();
      const taken: number[] = [];
      const kept = pieces((at) => {
        taken.push(at);
        if (at === endAt) one.end();
      });
      const instances = new ReadInstances(kept);
      const answer = async (): Promise<unknown> => {
        const [made] = await instances.bodies(await instances.wanted(instance, asked), one);
        return buffer(await ((await made?.make())?.open() ?? Promise.reject(new Error('none'))));
      };
      await expect(answer()).rejects.toBeInstanceOf(RetrieveEndedError);
      expect(taken.at(-1)).toBeLessThanOrEqual(endAt + 2 * pieceBytes);
    });
  });
});
