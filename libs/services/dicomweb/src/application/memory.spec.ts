import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { deflateRawSync } from 'node:zlib';

import { ByteBudget } from '@callosum/archive';
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
import { TooLargeError } from '../domain/errors/door.js';
import { IndexBehindError, MemoryTakenError, RetrieveEndedError } from '../domain/errors/retrieve.js';
import { frameChoices } from '../domain/frame-choices.js';
import { Blob, indexOf, inSyntax, locatedFragments, readersOf } from '../test-support/kept.js';
import type { KeptInstances } from './ports/archive.js';
import type { LocatedFrames, StudyIndexReader } from './ports/index.js';
import type { RetrieveMemory } from './ports/memory.js';
import { ReadInstances } from './read-instances.js';
import { ReadMetadata } from './read-metadata.js';
import { type Retrieve, Retrieves } from './retrieves.js';

const gibibyte = 1024 ** 3;
const ct = tinyCt();
const pixelData = parseFile(ct.bytes).pixelData ?? { offset: 0, byteCount: 0 };
const asked = readAccept('application/dicom', undefined);

/** The CT with Pixel Data of 3 GiB: its header, and whatever is asked of the pixels. */
const hugeBytes = 3 * gibibyte;
const hugeHeader = Buffer.from(ct.bytes.subarray(0, pixelData.offset));
hugeHeader.writeUInt32LE(hugeBytes, hugeHeader.length - 4);

const jpeg = '1.2.840.10008.1.2.4.50';
const nobody: Omit<StudyIndexReader, 'frames'> = {
  metadata: async function* () {},
  awaitIndexed: (_study, blobKeys) => Promise.resolve(new Set(blobKeys)),
  search: () => {
    throw new Error('not asked');
  },
};

/** The CT, deflated, with Data Set Trailing Padding (PS3.10 7.2): zeros that deflate to nothing. */
function deflatedCt(paddingBytes: number): Blob {
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
  return new Blob(bytes, DeflatedExplicitVRLittleEndian);
}

const octets = frameChoices(readAccept('*/*', undefined), ExplicitVRLittleEndian, false);
const frameOf = (kept: Blob, memory: RetrieveMemory, located?: LocatedFrames) =>
  readersOf(kept, indexOf(located)).frames.read(kept.instance, [1], octets, memory);

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

  const huge = (): Blob =>
    new Blob(Buffer.concat([hugeHeader, Buffer.alloc(64 * 1024)]), ExplicitVRLittleEndian, {
      byteCount: hugeHeader.length + hugeBytes,
    });
  const bytesRead = (blob: Blob): number[] => blob.opened.map((range) => range?.length ?? Infinity);

  it('is streamed as bulk data where the header says where it lies', async () => {
    const blob = huge();
    const { first, count } = await readersOf(blob).bulk.pixelData(blob.instance, '7FE00010', octets, retrieve);
    expect(count).toBe(1);
    await first.open();
    expect(blob.opened.at(-1)).toEqual({ offset: pixelData.offset, length: hugeBytes });
    expect(
      bytesRead(blob)
        .slice(0, -1)
        .every((length) => length <= bytesMax),
    ).toBe(true);
  });

  it('gives other attributes, and its metadata, from its header', async () => {
    const blob = huge();
    const value = await readersOf(blob).bulk.value(blob.instance, ['00080018'], retrieve);
    expect((await buffer(await value.open())).toString('latin1')).toContain(ct.sopInstanceUid);
    const metadata = new ReadMetadata(blob, { ...nobody, ...indexOf(undefined) }, 0);
    const datasets = metadata.read(await metadata.locate(blob.instance), 'https://here', retrieve);
    const [text] = (await datasets.next()).value as [string];
    const dataset = JSON.parse(text) as Record<string, { BulkDataURI?: string; Value?: unknown[] }>;
    expect(dataset['00080018']?.Value).toEqual([ct.sopInstanceUid]);
    expect(dataset['7FE00010']?.BulkDataURI).toMatch(/^https:\/\/here\/dicom-web\/studies\/.*\/bulkdata\/7FE00010$/);
    expect(bytesRead(blob).every((length) => length <= bytesMax)).toBe(true);
  });

  it('is rewritten while it is streamed: as much memory as there is will do', async () => {
    const blob = new Blob(await inSyntax(ct.bytes, ImplicitVRLittleEndian), ImplicitVRLittleEndian);
    await retrieve.hold(bytesMax);
    const instances = new ReadInstances(blob);
    const [made] = await instances.bodies(await instances.wanted(blob.instance, asked), retrieves.begin());
    const { dataset, fileMeta } = parseFile(await buffer((await (await made?.make())?.open()) as Readable));
    expect(fileMeta.transferSyntaxUid).toBe(ExplicitVRLittleEndian);
    expect(fileMeta.mediaStorageSopInstanceUid).toBe(ct.sopInstanceUid);
    expect(dataset.bytes('PixelData')).toEqual(parseFile(ct.bytes).dataset.bytes('PixelData'));
  });

  it.each([ExplicitVRBigEndian, ImplicitVRLittleEndian, ExplicitVRLittleEndian])(
    'is not held for one of its frames either: all memory is taken, and it is had (%s)',
    async (uid) => {
      const blob = new Blob(await inSyntax(ct.bytes, uid), uid);
      await retrieve.hold(bytesMax);
      const { first } = await frameOf(blob, retrieves.begin());
      expect(await buffer(await first.open())).toEqual(
        Buffer.from(parseFile(ct.bytes).dataset.bytes('PixelData') ?? []),
      );
    },
  );

  it('is refused until the index knows it: its fragments would all have to be looked at', async () => {
    const large = new Blob(hugeHeader, jpeg, { byteCount: bytesMax });
    await expect(frameOf(large, retrieve)).rejects.toBeInstanceOf(IndexBehindError);
    expect(large.opened).toEqual([]);
  });

  it('is refused for good where the index knows it, and cannot tell its frames', async () => {
    const large = new Blob(hugeHeader, jpeg, { byteCount: bytesMax });
    const nowhere = { ...locatedFragments([]), encapsulated: false };
    await expect(frameOf(large, retrieve, nowhere)).rejects.toBeInstanceOf(TooLargeError);
    expect(large.opened).toEqual([]);
  });

  it('is inflated as it is taken: what a deflated object becomes is not held', async () => {
    const deflated = deflatedCt(4 * bytesMax);
    expect(deflated.instance.byteCount * 2).toBeLessThan(bytesMax);
    const { first } = await frameOf(deflated, retrieve);
    const body = await first.open();
    expect(await buffer(body)).toEqual(Buffer.from(parseFile(ct.bytes).dataset.bytes('PixelData') ?? []));
  });

  it('waits for its turn: headers that are long, and deflated ones, are read one after the other', async () => {
    const deflated = deflatedCt(0);
    const all = new Retrieves(new ByteBudget(bytesMax), { requestsMax: 100, memoryWaitMs: 60_000 });
    let [reading, most] = [0, 0];
    const counted: KeptInstances = {
      locate: () => deflated.locate(),
      open: async (key, signal, range) => {
        most = Math.max(most, ++reading);
        await new Promise((resolve) => setImmediate(resolve));
        reading--;
        return deflated.open(key, signal, range);
      },
    };
    const frames = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const one = all.begin();
        const { first } = await readersOf(counted).frames.read(deflated.instance, [1], octets, one);
        one.end();
        return first.byteCount;
      }),
    );
    expect(frames).toHaveLength(12);
    expect(most).toBe(1);
  });

  it('is told to come again when the turn does not come, and leaves no one waiting behind it', async () => {
    const deflated = deflatedCt(0);
    await retrieve.hold(bytesMax);
    await expect(frameOf(deflated, retrieves.begin())).rejects.toBeInstanceOf(MemoryTakenError);
    const gone = retrieves.begin();
    const held = gone.hold(1);
    gone.end();
    await expect(held).rejects.toBeInstanceOf(RetrieveEndedError);
    retrieve.end();
    await retrieves.begin().hold(bytesMax);
  });
});
