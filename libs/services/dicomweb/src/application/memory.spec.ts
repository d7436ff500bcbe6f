import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { deflateRawSync } from 'node:zlib';

import { ByteBudget } from '@callosum/archive';
import { imaging } from '@callosum/contracts';
import {
  DeflatedExplicitVRLittleEndian,
  ExplicitVRBigEndian,
  ExplicitVRLittleEndian,
  implementationClassUid,
  ImplicitVRLittleEndian,
  parseFile,
  writeFileMeta,
} from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';
import { beforeEach, describe, expect, it } from 'vitest';

import { readAccept } from '../domain/accept.js';
import {
  IndexBehindError,
  MemoryTakenError,
  NotFoundError,
  RetrieveEndedError,
  TooLargeError,
} from '../domain/errors.js';
import type { KeptInstance, KeptInstances, StudyIndexReader } from './ports.js';
import { ReadInstances } from './read-instances.js';
import { ReadMetadata } from './read-metadata.js';
import { type PixelBody, ReadPixels } from './read-pixels.js';
import { type Retrieve, Retrieves } from './retrieves.js';

const gibibyte = 1024 ** 3;
const ct = tinyCt();
const pixelData = parseFile(ct.bytes).pixelData ?? { offset: 0, byteCount: 0 };
const asked = readAccept('application/dicom', undefined);

/** The CT with Pixel Data of 3 GiB: its header, and whatever is asked of the pixels. */
const hugeBytes = 3 * gibibyte;
const hugeHeader = Buffer.from(ct.bytes.subarray(0, pixelData.offset));
hugeHeader.writeUInt32LE(hugeBytes, hugeHeader.length - 4);

class Blobs implements KeptInstances {
  readonly opened: { readonly offset: number; readonly length?: number }[] = [];
  bytes: Uint8Array = ct.bytes;

  constructor(readonly instance: KeptInstance) {}

  locate(): Promise<readonly KeptInstance[]> {
    return Promise.resolve([this.instance]);
  }

  open(
    _key: string,
    _signal: AbortSignal,
    range: { readonly offset: number; readonly length?: number } = { offset: 0 },
  ): Promise<Readable> {
    this.opened.push(range);
    const end = range.length === undefined ? undefined : range.offset + range.length;
    return Promise.resolve(Readable.from([this.bytes.subarray(range.offset, end)], { objectMode: false }));
  }
}

const instanceOf = (transferSyntaxUid: string, byteCount: number): KeptInstance => ({
  studyInstanceUid: ct.studyInstanceUid,
  seriesInstanceUid: ct.seriesInstanceUid,
  sopInstanceUid: ct.sopInstanceUid,
  transferSyntaxUid,
  blobKey: 'blob',
  byteCount,
});

const jpeg = '1.2.840.10008.1.2.4.50';

function indexOf(layout: imaging.PixelDataLayout | undefined): StudyIndexReader {
  return {
    metadata: async function* () {},
    pixelData: () => Promise.resolve(layout),
    search: () => {
      throw new Error('not asked');
    },
  };
}

/** The CT, deflated, with Data Set Trailing Padding (PS3.10 7.2): zeros that deflate to nothing. */
function deflatedCt(paddingBytes: number): Blobs {
  const { fileMeta, datasetOffset } = parseFile(ct.bytes);
  const meta = writeFileMeta({
    sopClassUid: fileMeta.mediaStorageSopClassUid,
    sopInstanceUid: ct.sopInstanceUid,
    transferSyntaxUid: DeflatedExplicitVRLittleEndian,
    implementationClassUid,
  });
  const padding = Buffer.alloc(12 + paddingBytes);
  padding.set([0xfc, 0xff, 0xfc, 0xff, 0x4f, 0x42], 0);
  padding.writeUInt32LE(paddingBytes, 8);
  const bytes = Buffer.concat([meta, deflateRawSync(Buffer.concat([ct.bytes.subarray(datasetOffset), padding]))]);
  const blobs = new Blobs(instanceOf(DeflatedExplicitVRLittleEndian, bytes.length));
  blobs.bytes = bytes;
  return blobs;
}

describe('what cannot be held', () => {
  const bytesMax = 256 * 1024;
  let budget: ByteBudget;
  let retrieves: Retrieves;
  let retrieve: Retrieve;

  beforeEach(() => {
    budget = new ByteBudget(bytesMax);
    retrieves = new Retrieves(budget, { requestsMax: 100, memoryWaitMs: 200 });
    retrieve = retrieves.begin();
  });

  const huge = (): Blobs => {
    const blobs = new Blobs(instanceOf(ExplicitVRLittleEndian, hugeHeader.length + hugeBytes));
    blobs.bytes = hugeHeader;
    return blobs;
  };

  it('is streamed as bulk data where the header says where it lies', async () => {
    const blobs = huge();
    const [body, ...more] = await new ReadPixels(blobs, indexOf(undefined)).bulkData(
      blobs.instance,
      '7FE00010',
      retrieve,
    );
    expect(more).toEqual([]);
    await body?.open();
    expect(blobs.opened.at(-1)).toEqual({ offset: pixelData.offset, length: hugeBytes });
    expect(blobs.opened.slice(0, -1).every(({ length = Infinity }) => length <= bytesMax)).toBe(true);
  });

  it('gives other attributes, and its metadata, from its header', async () => {
    const blobs = huge();
    const [body] = await new ReadPixels(blobs, indexOf(undefined)).bulkData(blobs.instance, '00080018', retrieve);
    expect((await buffer((await body?.open()) as Readable)).toString('latin1')).toContain(ct.sopInstanceUid);
    const { value } = await new ReadMetadata(blobs, indexOf(undefined), 0).read(blobs.instance, retrieve).next();
    const dataset = JSON.parse(String(value)) as Record<string, { BulkDataURI?: string; Value?: unknown[] }>;
    expect(dataset['00080018']?.Value).toEqual([ct.sopInstanceUid]);
    expect(dataset['7FE00010']?.BulkDataURI).toMatch(/bulkdata\/7FE00010$/);
    expect(blobs.opened.every(({ length = Infinity }) => length <= bytesMax)).toBe(true);
  });

  it('is streamed frame by frame where the index knows the fragments, and a frame that is not there is none', async () => {
    const blobs = new Blobs(instanceOf(jpeg, 3 * gibibyte));
    blobs.bytes = Buffer.from('a header frame one frame two');
    const fragments = (...ranges: [number, number][]) => ({
      fragments: ranges.map(([offset, byteCount]) => ({ offset: BigInt(offset), byteCount: BigInt(byteCount) })),
    });
    const layout = imaging.PixelDataLayout.fromPartial({
      encapsulated: true,
      frames: [fragments([9, 6], [15, 3]), fragments([19, 9]), fragments([4 * gibibyte, 5])],
    });
    const pixels = new ReadPixels(blobs, indexOf(layout));
    const texts: string[] = [];
    for await (const body of pixels.frames(blobs.instance, '2,1', retrieve))
      texts.push((await buffer(await body.open())).toString());
    expect(texts).toEqual(['frame two', 'frame one']);
    const bodies = await pixels.bulkData(blobs.instance, '7FE00010', retrieve);
    expect(bodies).toHaveLength(3);
    expect((await buffer((await bodies[0]?.open()) as Readable)).toString()).toBe('frame one');
    for (const none of ['3', '4'])
      await expect(pixels.frames(blobs.instance, none, retrieve).next()).rejects.toBeInstanceOf(NotFoundError);
  });

  it('is rewritten while it is streamed: as much memory as there is will do', async () => {
    const blobs = new Blobs(instanceOf(ImplicitVRLittleEndian, ct.bytes.length));
    await retrieve.hold(bytesMax);
    const [body] = await new ReadInstances(blobs).read(blobs.instance, asked, retrieves.begin());
    const { dataset, fileMeta } = parseFile(await buffer((await body?.open()) as Readable));
    expect(fileMeta.transferSyntaxUid).toBe(ExplicitVRLittleEndian);
    expect(fileMeta.mediaStorageSopInstanceUid).toBe(ct.sopInstanceUid);
    expect(dataset.bytes('PixelData')).toEqual(parseFile(ct.bytes).dataset.bytes('PixelData'));
  });

  it('is refused: to be decoded, or until the index knows it', async () => {
    const large = new Blobs(instanceOf(ImplicitVRLittleEndian, bytesMax));
    const bigEndian = new Blobs(instanceOf(ExplicitVRBigEndian, bytesMax));
    const layout = imaging.PixelDataLayout.fromPartial({ nativeOffset: 1n, nativeFrameBytes: 1n });
    const frames = (blobs: Blobs, known: typeof layout | undefined) =>
      new ReadPixels(blobs, indexOf(known)).frames(blobs.instance, '1', retrieve).next();
    await expect(frames(bigEndian, layout)).rejects.toBeInstanceOf(TooLargeError);
    await expect(frames(large, undefined)).rejects.toBeInstanceOf(IndexBehindError);
    expect([...large.opened, ...bigEndian.opened]).toEqual([]);
  });

  it('is refused when it is only found out by inflating it', async () => {
    const deflated = deflatedCt(4 * bytesMax);
    expect(deflated.instance.byteCount * 2).toBeLessThan(bytesMax);
    const frames = new ReadPixels(deflated, indexOf(undefined)).frames(deflated.instance, '1', retrieve);
    await expect(frames.next()).rejects.toBeInstanceOf(TooLargeError);
  });

  it('is not what a small deflated object waits for: it holds what it may inflate to', async () => {
    const deflated = deflatedCt(0);
    const all = new Retrieves(new ByteBudget(5 * 1024 * 1024), { requestsMax: 100, memoryWaitMs: 200 });
    for (const one of [all.begin(), all.begin()]) {
      const frame = await new ReadPixels(deflated, indexOf(undefined)).frames(deflated.instance, '1', one).next();
      expect(frame.done).toBe(false);
    }
  });

  it('waits for its turn, so that all of them hold no more than they may', async () => {
    const blobs = new Blobs(instanceOf(ImplicitVRLittleEndian, ct.bytes.length));
    const room = 2 * 2 * ct.bytes.length;
    const all = new Retrieves(new ByteBudget(room), { requestsMax: 100, memoryWaitMs: 60_000 });
    let [held, most] = [0, 0];
    const bodies = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const one = all.begin();
        const frame = await new ReadPixels(blobs, indexOf(undefined)).frames(blobs.instance, '1', one).next();
        most = Math.max(most, ++held);
        const bytes = await buffer(await (frame.value as PixelBody).open());
        held--;
        one.end();
        return bytes;
      }),
    );
    expect(most).toBeLessThanOrEqual(2);
    for (const bytes of bodies)
      expect(bytes.equals(parseFile(ct.bytes).dataset.bytes('PixelData') ?? new Uint8Array())).toBe(true);
  });

  it('is told to come again when the turn does not come, and leaves no one waiting behind it', async () => {
    const blobs = new Blobs(instanceOf(ImplicitVRLittleEndian, ct.bytes.length));
    await retrieve.hold(bytesMax);
    const waiting = retrieves.begin();
    const frames = new ReadPixels(blobs, indexOf(undefined)).frames(blobs.instance, '1', waiting);
    await expect(frames.next()).rejects.toBeInstanceOf(MemoryTakenError);
    const gone = retrieves.begin();
    const held = gone.hold(1);
    gone.end();
    await expect(held).rejects.toBeInstanceOf(RetrieveEndedError);
    retrieve.end();
    await retrieves.begin().hold(bytesMax);
  });
});
