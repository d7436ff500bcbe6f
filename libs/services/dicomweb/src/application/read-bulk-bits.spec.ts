import { buffer } from 'node:stream/consumers';
import { deflateRawSync } from 'node:zlib';

import { DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { frameChoices } from '../domain/frame-choices.js';
import { readAccept } from '../domain/negotiate.js';
import { Blob, datasetOf, fileOf, inSyntax, memoryOf, readersOf, samples } from '../test-support/kept.js';

const encapsulatedUncompressed = '1.2.840.10008.1.2.1.98';
const deflatedFrames = '1.2.840.10008.1.2.8.1';
const octets = 'application/octet-stream';

/** Frames of single bits, the first in the lowest one (PS3.5 8.1.1), as one value. */
function packed(frames: readonly (readonly number[])[]): Uint8Array {
  const bits = frames.flat();
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((bit, i) => (bytes[i >> 3] = (bytes[i >> 3] ?? 0) | (bit << (i & 7))));
  return bytes;
}

/** Four frames of as many rows of five. */
const framesOf = (rows: number): number[][] =>
  Array.from({ length: 4 }, (_, frame) => Array.from(samples(rows * 5), (byte) => (byte >> (frame + 1)) & 1));

function stored(rows: number, uid: string): Promise<Uint8Array> | Uint8Array {
  const frames = framesOf(rows);
  const value = packed(frames);
  const pixels = new Uint8Array(value.length + (value.length % 2));
  pixels.set(value);
  const dataset = datasetOf({ rows, columns: 5, frames: 4, bitsAllocated: 1, vr: 'OB', pixels });
  if (uid === ExplicitVRLittleEndian || uid === DeflatedExplicitVRLittleEndian) return inSyntax(fileOf(dataset), uid);
  const fragments = frames.map((frame) => {
    const bytes = uid === deflatedFrames ? deflateRawSync(packed([frame])) : Buffer.from(packed([frame]));
    return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.of(0)]);
  });
  return fileOf({ ...dataset, '7FE00010': { vr: 'OB', fragments: [new Uint8Array(0), ...fragments] } }, uid);
}

async function pixelData(rows: number, uid: string, accept: string) {
  const blob = new Blob(await stored(rows, uid), uid);
  const choices = frameChoices(readAccept(accept, undefined), uid, false);
  return readersOf(blob).bulk.pixelData(blob.instance, '7FE00010', choices, memoryOf());
}

describe('Pixel Data of single bits as one value', () => {
  const syntaxes = [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, encapsulatedUncompressed, deflatedFrames];
  // Frames of 5, 15, 20 and 40 bits: the last of them are whole bytes.
  const cases = syntaxes.flatMap((uid) => [1, 3, 4, 8].map((rows) => [rows, uid] as const));

  it.each(cases)('goes on in the byte in which a frame ends (%i rows, %s)', async (rows, uid) => {
    const expected = packed(framesOf(rows));
    for (const accept of ['*/*', octets, `multipart/related; type="${octets}"`]) {
      const { choice, first, count } = await pixelData(rows, uid, accept);
      expect([choice.transferSyntaxUid, count]).toEqual([ExplicitVRLittleEndian, 1]);
      const bytes = await buffer(await first.open());
      expect(bytes).toHaveLength(first.byteCount);
      expect(new Uint8Array(bytes).subarray(0, expected.length)).toEqual(expected);
      // A native value has its padding.
      expect(bytes.subarray(expected.length).every((byte) => byte === 0)).toBe(true);
      expect(bytes.length - expected.length).toBeLessThan(2);
    }
  });

  it('names what it can be had as, where it cannot as asked', async () => {
    const asked = pixelData(4, encapsulatedUncompressed, `${octets}; transfer-syntax=*`);
    await expect(asked).rejects.toThrow('multipart/related; transfer-syntax=*');
    const { count } = await pixelData(4, encapsulatedUncompressed, 'multipart/related; transfer-syntax=*');
    expect(count).toBe(4);
  });
});
