import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { ByteBudget } from '@callosum/archive';
import { ImplicitVRLittleEndian } from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';
import { beforeEach, describe, expect, it } from 'vitest';

import { readAccept } from '../domain/accept.js';
import { RetrieveEndedError, TooManyRetrievesError } from '../domain/errors.js';
import type { KeptInstance, KeptInstances } from './ports.js';
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
      const [body] = await new ReadInstances(kept).read(instance, asked, one);
      const answer = body?.open().then((opened) => buffer(opened));
      await expect(answer).rejects.toBeInstanceOf(RetrieveEndedError);
      expect(taken.at(-1)).toBeLessThanOrEqual(endAt + 2 * pieceBytes);
    });
  });
});
