import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { imaging } from '@callosum/contracts';
import { parseFile, pixelDataLayout } from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';
import { describe, expect, it } from 'vitest';

import type { KeptInstance, KeptInstances, RetrieveMemory, StudyIndexReader } from './ports.js';
import { ReadMetadata } from './read-metadata.js';
import { type PixelBody, ReadPixels } from './read-pixels.js';

const memory: RetrieveMemory = {
  bytesMax: 1_000_000,
  signal: new AbortController().signal,
  hold: () => Promise.resolve(),
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
      yield { sopInstanceUid: instance.sopInstanceUid, dicomJson: '{"old":true}', blobKey: 'old' };
    },
    pixelData: ({ blobKey }) =>
      Promise.resolve(
        blobKey === 'old'
          ? imaging.PixelDataLayout.fromPartial({
              nativeOffset: BigInt(layout.nativeOffset),
              nativeFrameBytes: BigInt(layout.nativeFrameBytes),
            })
          : undefined,
      ),
    search: () => {
      throw new Error('not asked');
    },
  };
  return { kept, index, instance, after };
}

describe('between a correction and the index', () => {
  it('frames are those of the new object, not bytes at the old offset', async () => {
    const { kept, index, instance, after } = afterCorrection();
    const { value } = await new ReadPixels(kept, index).frames(instance, '1', memory).next();
    const frame = await buffer(await (value as PixelBody).open());
    const file = parseFile(after.bytes);
    expect(frame.equals(Buffer.from(file.dataset.bytes('PixelData') ?? []))).toBe(true);
  });

  it('metadata is that of the new object', async () => {
    const { kept, index, instance } = afterCorrection();
    const { value } = await new ReadMetadata(kept, index, 0).read(instance, memory).next();
    expect(value).toContain('corrected, and a good deal longer');
    expect(value).not.toContain('old');
  });
});
