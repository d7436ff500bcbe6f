import type { imaging } from '@callosum/contracts';
import { describe, expect, it } from 'vitest';

import type { DicomJson } from '../domain/instance.js';
import { frameMessages, metadataMessages, searchMessages } from './messages.js';
import type { LocatedObject } from './queries.js';

const kibibyte = 1024;

async function* each<T>(all: readonly T[]): AsyncGenerator<T> {
  await Promise.resolve();
  yield* all;
}

async function collect<T>(all: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of all) found.push(one);
  return found;
}

describe('metadata by message', () => {
  const fragment = (sopInstanceUid: string, bytes: number): imaging.MetadataFragment => ({
    seriesInstanceUid: '1.2',
    sopInstanceUid,
    blobKey: `default/${sopInstanceUid}`,
    pieces: [{ deflated: new Uint8Array(bytes), crc32: 0, byteCount: bytes }],
    isPartial: false,
  });
  const uidsOf = ({ fragments }: imaging.ReadMetadataResponse): string[] =>
    fragments.map(({ sopInstanceUid }) => sopInstanceUid);

  it('is at most 256 KiB, in the order it came', async () => {
    const messages = await collect(
      metadataMessages(each(['1', '2', '3', '4', '5'].map((uid) => fragment(uid, 100 * kibibyte)))),
    );
    expect(messages.map(uidsOf)).toEqual([['1', '2'], ['3', '4'], ['5']]);
  });

  it('is one fragment where that alone is larger', async () => {
    const messages = await collect(
      metadataMessages(each([fragment('1', 10), fragment('2', 1_000 * kibibyte), fragment('3', 10)])),
    );
    expect(messages.map(uidsOf)).toEqual([['1'], ['2'], ['3']]);
  });

  it('is none of nothing', async () => {
    expect(await collect(metadataMessages(each([])))).toEqual([]);
  });
});

describe('matches by message', () => {
  const dataset = (uid: string, text = ''): DicomJson => ({
    '00080018': { vr: 'UI', Value: [`${uid}.3`] },
    '0020000D': { vr: 'UI', Value: [uid] },
    '0020000E': { vr: 'UI', Value: [`${uid}.2`] },
    '00204000': { vr: 'LT', Value: [text] },
  });

  it('are as many rows as were asked for, with their UIDs beside them', async () => {
    const datasets = ['1', '2', '3'].map((uid) => dataset(uid));
    const messages = await collect(searchMessages(each(datasets), 2));
    expect(messages.map((rows) => rows.length)).toEqual([2, 1]);
    expect(messages.flat().map(({ dicomJson }) => JSON.parse(dicomJson) as unknown)).toEqual(datasets);
    expect(messages[1]?.[0]).toMatchObject({
      studyInstanceUid: '3',
      seriesInstanceUid: '3.2',
      sopInstanceUid: '3.3',
    });
  });

  it('are fewer where their text takes more than 256 KiB in UTF-8', async () => {
    const text = 'ü'.repeat(60 * kibibyte);
    const messages = await collect(searchMessages(each(['1', '2', '3'].map((uid) => dataset(uid, text))), 1_000));
    expect(messages.map((rows) => rows.length)).toEqual([2, 1]);
  });

  it('have their attributes in ascending order, those that JavaScript takes for numbers too', async () => {
    const [[row] = []] = await collect(
      searchMessages(each([{ '00080018': { vr: 'UI' }, '10000010': { vr: 'US' }, '0020000D': { vr: 'UI' } }]), 10),
    );
    expect(row?.dicomJson.match(/[0-9A-F]{8}/g)).toEqual(['00080018', '0020000D', '10000010']);
  });

  it('are refused where one of them fits into no message', async () => {
    const mebibyte = 1024 * kibibyte;
    const fits = await collect(searchMessages(each([dataset('1', 'x'.repeat(62 * mebibyte))]), 10));
    expect(fits).toHaveLength(1);
    const tooLarge = searchMessages(each([dataset('1'), dataset('2', 'ü'.repeat(32 * mebibyte))]), 10);
    await expect(collect(tooLarge)).rejects.toMatchObject({ code: 'study-index.answer-too-large', kind: 'invalid' });
  });

  it('of a level above have no UIDs of those below', async () => {
    const [[row] = []] = await collect(searchMessages(each([{ '0020000D': { vr: 'UI', Value: ['1'] } }]), 10));
    expect(row).toMatchObject({ studyInstanceUid: '1', seriesInstanceUid: '', sopInstanceUid: '' });
  });
});

describe('frames by message', () => {
  const object = (...lists: number[][]): LocatedObject => ({
    sopInstanceUid: '1.4',
    blobKey: 'default/1.4',
    transferSyntaxUid: '1.2.840.10008.1.2.4.90',
    image: undefined,
    layout: { encapsulated: true, nativeOffset: 0, nativeFrameBytes: 0 },
    frames: lists.map((offsets) => offsets.map((offset) => (offset < 0 ? [] : [[offset, 10]]))),
  });
  const grey = {
    ...{ rows: 4, columns: 4, frames: 2, samplesPerPixel: 1, bitsAllocated: 16, bitsStored: 16 },
    ...{ pixelRepresentation: 0, planarConfiguration: 0, photometricInterpretation: 'MONOCHROME2' },
  };
  const native = (nativeByteCount: number | undefined): LocatedObject => {
    const known = nativeByteCount === undefined ? {} : { nativeByteCount };
    const layout = { encapsulated: false, nativeOffset: 900, nativeFrameBytes: 32, ...known };
    return { ...object(), image: grey, layout };
  };

  it('are a list each, in its order; one that is not there has no fragments', () => {
    const messages = [...frameMessages(object([40, 0, -1], [2 ** 40]))];
    expect(messages.map(({ frames }) => frames.map(({ fragments }) => fragments[0]?.offset))).toEqual([
      [40n, 0n, undefined],
      [2n ** 40n],
    ]);
    expect(messages.every(({ blobKey, encapsulated }) => blobKey === 'default/1.4' && encapsulated)).toBe(true);
  });

  it('of native pixels are where the first begins, and how long each is', () => {
    expect([...frameMessages(native(64))]).toMatchObject([
      { encapsulated: false, nativeOffset: 900n, nativeFrameBytes: 32n, nativeByteCount: 64n, frames: [] },
    ]);
  });

  it.each([
    ['is shorter than its frames: other elements are behind it', native(62)],
    ['has a length that a version before did not say', native(undefined)],
    ['is of no image', { ...native(64), image: undefined }],
  ])('of a native value that %s are nowhere', (_, of) => {
    const nowhere = { nativeOffset: 0n, nativeFrameBytes: 0n, nativeByteCount: 0n, frames: [] };
    expect([...frameMessages(of)]).toMatchObject([nowhere]);
  });

  it('of single bits are in a value that ends in the last byte of the last', () => {
    const bits = (nativeByteCount: number): LocatedObject => {
      const image = { ...grey, rows: 3, columns: 3, bitsAllocated: 1, bitsStored: 1, frames: 3 };
      return { ...native(nativeByteCount), image };
    };
    expect([...frameMessages(bits(4))][0]?.nativeOffset).toBe(900n);
    expect([...frameMessages(bits(3))][0]?.nativeOffset).toBe(0n);
  });

  it('of pixels that are no ranges are nowhere', () => {
    expect([...frameMessages({ ...object(), layout: null })]).toMatchObject([
      { encapsulated: false, nativeOffset: 0n, nativeFrameBytes: 0n, frames: [] },
    ]);
  });
});
