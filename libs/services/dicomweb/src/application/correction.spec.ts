import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { imagePixel, parseFile, pixelDataLayout } from '@callosum/dicom';
import { deflatePiece } from '@callosum/gzip';
import { tinyCt } from '@callosum/phantom';
import { describe, expect, it } from 'vitest';

import { frameChoices } from '../domain/frame-choices.js';
import { readAccept } from '../domain/negotiate.js';
import { readersOf } from '../test-support/kept.js';
import type { KeptInstance, KeptInstances } from './ports/archive.js';
import type { StudyIndexReader } from './ports/index.js';
import type { RetrieveMemory } from './ports/memory.js';
import { ReadMetadata } from './read-metadata.js';

const memory: RetrieveMemory = {
  bytesMax: 1_000_000,
  signal: new AbortController().signal,
  hold: () => Promise.resolve(),
  keep: () => undefined,
};

/**
 * A correction has been acknowledged; the index still knows the object before it, whose header was shorter.
 */
function afterCorrection() {
  const before = tinyCt();
  const after = tinyCt({ SeriesDescription: 'corrected, and a good deal longer than it was' });
  const blobs = new Map([
    ['old', before.bytes],
    ['new', after.bytes],
  ]);
  const instance: KeptInstance = {
    studyInstanceUid: before.studyInstanceUid,
    seriesInstanceUid: before.seriesInstanceUid,
    sopInstanceUid: before.sopInstanceUid,
    transferSyntaxUid: '1.2.840.10008.1.2.1',
    blobKey: 'new',
    byteCount: after.bytes.length,
  };
  const kept: KeptInstances = {
    locate: () => Promise.resolve([instance]),
    open: (key, _signal, range) => {
      const bytes = Buffer.from(blobs.get(key) ?? []);
      const end = range?.length === undefined ? undefined : range.offset + range.length;
      return Promise.resolve(Readable.from([bytes.subarray(range?.offset ?? 0, end)]));
    },
  };
  const layout = pixelDataLayout(before.bytes);
  const index: StudyIndexReader = {
    metadata: async function* () {
      yield { sopInstanceUid: instance.sopInstanceUid, pieces: [deflatePiece('{"old":true}')], blobKey: 'old' };
    },
    frames: ({ blobKey }) =>
      Promise.resolve(
        blobKey === 'old'
          ? {
              image: imagePixel(parseFile(before.bytes).dataset),
              encapsulated: false,
              nativeOffset: layout.nativeOffset,
              nativeFrameBytes: layout.nativeFrameBytes,
              nativeByteCount: layout.nativeFrameBytes,
              frames: [],
            }
          : undefined,
      ),
    awaitIndexed: (_study, blobKeys) => Promise.resolve(new Set(blobKeys)),
    search: () => {
      throw new Error('not asked');
    },
  };
  return { kept, index, instance, after };
}

const choices = frameChoices(readAccept('*/*', undefined), '1.2.840.10008.1.2.1', false);

describe('between a correction and the index', () => {
  it('frames are those of the new object, not bytes at the old offset', async () => {
    const { kept, index, instance, after } = afterCorrection();
    const { first } = await readersOf(kept, index).frames.read(instance, [1], choices, memory);
    const frame = await buffer(await first.open());
    const file = parseFile(after.bytes);
    expect(frame.equals(Buffer.from(file.dataset.bytes('PixelData') ?? []))).toBe(true);
  });

  it('metadata is that of the new object', async () => {
    const { kept, index, instance } = afterCorrection();
    const metadata = new ReadMetadata(kept, index, 0);
    const { value } = await metadata.read(await metadata.locate(instance), 'https://here', memory).next();
    expect(value).toEqual([expect.stringContaining('corrected, and a good deal longer')]);
  });
});
