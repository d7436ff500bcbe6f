import { deflateRawSync, deflateSync } from 'node:zlib';

import { DeflatedExplicitVRLittleEndian } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { ctImageStorage, dataset } from '../../../../standards/dimse/test-support/objects.js';
import { UnreadableDatasetError } from '../domain/errors.js';
import { StoreInstance } from './store-instance.js';

const whole = dataset({ pixelBytes: 3_000 });
const deflated = deflateRawSync(whole);
/** One bit of it is wrong, which its blocks cannot be read with any more. */
const broken = Buffer.from(deflated);
broken.writeUInt8(broken.readUInt8(0) ^ 0b110, 0);

type Outcome = 'kept' | 'refused' | 'never answered';

/** What becomes of a deflated object whose bytes come in pieces of `pieceBytes`, and whether the archive let go of it. */
async function stored(bytes: Buffer, pieceBytes = bytes.length): Promise<{ outcome: Outcome; ended: number }> {
  let ended = 0;
  const writer = {
    write: () => Promise.resolve(),
    commit: () => Promise.resolve(`${++ended}`),
    abort: () => Promise.resolve(void ++ended),
  };
  const object = {
    associationId: 'a',
    callingAet: 'CT1',
    sopClassUid: ctImageStorage,
    sopInstanceUid: '1.2.3.4.5',
    transferSyntaxUid: DeflatedExplicitVRLittleEndian,
  };
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += pieceBytes)
      yield await Promise.resolve(bytes.subarray(at, at + pieceBytes));
  };
  const storing = new StoreInstance({ begin: () => Promise.resolve(writer) }).execute(object, pieces()).then(
    (): Outcome => 'kept',
    (error: unknown): Outcome => {
      if (!(error instanceof UnreadableDatasetError)) throw error;
      return 'refused';
    },
  );
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Outcome>((resolve) => (timer = setTimeout(() => resolve('never answered'), 2_000)));
  const outcome = await Promise.race([storing, late]);
  clearTimeout(timer);
  return { outcome, ended };
}

describe('a deflated object', () => {
  it.each([
    ['as it is', deflated],
    ['padded to an even length', Buffer.concat([deflated, Buffer.alloc(1)])],
    ['with more behind its last block', Buffer.concat([deflated, Buffer.alloc(70_000, 1)])],
  ])('is kept %s', async (_, bytes) => {
    for (const pieceBytes of [bytes.length, 7_000, 100])
      expect(await stored(bytes, pieceBytes)).toEqual({ outcome: 'kept', ended: 1 });
  });

  it.each([
    ['wrapped as zlib does', deflateSync(whole)],
    ['not deflated at all', whole],
    ['broken', broken],
    ['cut off', deflated.subarray(0, deflated.length - 5)],
    ['with nothing in it', Buffer.alloc(0)],
    ['of something else', deflateRawSync(Buffer.alloc(5_000, 0x41))],
  ])('is refused %s, and nothing of it stays', async (_, bytes) => {
    for (const pieceBytes of [Math.max(1, bytes.length), 100])
      expect(await stored(bytes, pieceBytes)).toEqual({ outcome: 'refused', ended: 1 });
  });

  it('is answered whichever of its bytes is wrong', async () => {
    const outcomes: Outcome[] = [];
    for (let at = 0; at < deflated.length; at++) {
      const bytes = Buffer.from(deflated);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at);
      const { outcome } = await stored(bytes);
      outcomes.push(outcome);
      if (outcome === 'never answered') break;
    }
    expect(outcomes).toHaveLength(deflated.length);
    expect(outcomes).toContain('refused');
    expect(outcomes).not.toContain('never answered');
  });
});
