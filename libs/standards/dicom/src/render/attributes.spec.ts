import { describe, expect, it } from 'vitest';
import {
  decodeFrames,
  DeflatedExplicitVRLittleEndian,
  DicomRenderError,
  parseFile,
  readHeader,
  renderFrame,
  renderingAttributes,
  type Attributes,
  type RangeReader,
} from '../index.js';
import { noise, transcoded } from '../../test-support/objects.js';
import { imageFile, words, type GivenImage } from '../../test-support/pictures.js';

/** Bytes that were read. */
const reader = (file: Uint8Array): { read: RangeReader; byteCount: number } => {
  const counted = {
    byteCount: 0,
    read: (offset: number, byteCount: number): Promise<Uint8Array> => {
      counted.byteCount += byteCount;
      return Promise.resolve(file.subarray(offset, offset + byteCount));
    },
  };
  return counted;
};

/** A palette as long as any, so that a walked header leaves it out. */
const entries = words(...Array.from({ length: 0x10000 }, (_, i) => 0xffff - i));
const longPalette = Object.fromEntries(
  ['Red', 'Green', 'Blue'].flatMap((colour) => [
    [`${colour}PaletteColorLookupTableDescriptor`, [0, 0, 16]],
    [`${colour}PaletteColorLookupTableData`, entries],
  ]),
) as Attributes;
const indexed: GivenImage = {
  rows: 1,
  columns: 4,
  photometric: 'PALETTE COLOR',
  pixels: words(0, 1000, 40_000, 0xffff),
  attributes: longPalette,
};
/** More than a header that is parsed at once has: so much text of a vendor. */
const longHeader = {
  ...indexed,
  attributes: { ...longPalette, TextValue: Buffer.from(noise(1024 * 1024)).toString('base64') },
};

async function renderedByRanges(file: Uint8Array, frameNumber = 1): Promise<number[]> {
  const counted = reader(file);
  const header = await readHeader(counted.read, file.length);
  const facts = await renderingAttributes(header, counted.read, file.length, [frameNumber]);
  const [frame] = await decodeFrames(parseFile(file), { frameNumbers: [frameNumber] });
  if (!frame) throw new Error('one frame');
  return [...renderFrame(facts, frame, { frameNumber }).samples];
}

async function renderedWhole(file: Uint8Array, frameNumber = 1): Promise<number[]> {
  const parsed = parseFile(file);
  const [frame] = await decodeFrames(parsed, { frameNumbers: [frameNumber] });
  if (!frame) throw new Error('one frame');
  return [...renderFrame(parsed, frame, { frameNumber }).samples];
}

describe('the attributes of rendering', () => {
  it('have the tables that were left out of a long header', async () => {
    const file = imageFile(longHeader);
    const header = await readHeader(reader(file).read, file.length);
    expect(header.dataset.element('RedPaletteColorLookupTableData')?.notLoaded).toBe(true);
    expect(await renderedByRanges(file)).toEqual(await renderedWhole(file));
    expect(new Set(await renderedByRanges(file)).size).toBe(4);
  });

  it('are few, and none of them is a part of what was read', async () => {
    const file = imageFile(longHeader);
    const { read } = reader(file);
    const { dataset } = await renderingAttributes(await readHeader(read, file.length), read, file.length, [1]);
    expect(dataset.has('TextValue')).toBe(false);
    expect(dataset.has('SOPInstanceUID')).toBe(false);
    for (const { value } of dataset) expect(value.buffer.byteLength).toBe(value.byteLength);
  });

  it('say that a table of a deflated object is not to be had by ranges', async () => {
    const file = await transcoded(imageFile(longHeader), DeflatedExplicitVRLittleEndian);
    await expect(renderedByRanges(file)).rejects.toThrow(DicomRenderError);
    await expect(renderedByRanges(file)).rejects.toMatchObject({ problem: 'not-loaded' });
  });

  it('are of 32 MiB at most, whatever functional groups hold', async () => {
    const table = new Uint8Array(2 * 60_000);
    const voi: Attributes = {
      FrameVOILUTSequence: [
        { VOILUTSequence: [{ LUTDescriptor: [60_000, 0, 16], LUTData: table }, { LUTData: table }] },
      ],
    };
    const frames = 300;
    const file = imageFile({
      rows: 1,
      columns: 1,
      frames,
      pixels: new Uint8Array(2 * frames),
      attributes: { PerFrameFunctionalGroupsSequence: Array.from({ length: frames }, () => voi) },
    });
    const counted = reader(file);
    const header = await readHeader(counted.read, file.length);
    const all = Array.from({ length: frames }, (_, i) => i + 1);
    await expect(renderingAttributes(header, counted.read, file.length, all)).rejects.toMatchObject({
      problem: 'too-large',
    });
    counted.byteCount = 0;
    const { dataset } = await renderingAttributes(header, counted.read, file.length, [7]);
    // Of one frame one table, though its sequence has two.
    const item = dataset.sequence('PerFrameFunctionalGroupsSequence')[6]?.sequence('FrameVOILUTSequence')[0];
    expect(item?.sequence('VOILUTSequence').map((one) => one.bytes('LUTData')?.length)).toEqual([table.length]);
    expect(counted.byteCount).toBeLessThanOrEqual(table.length);
  });

  it('have what functional groups say of the frames asked for, and of no others', async () => {
    const voi = (center: number, width: number): Attributes => ({
      FrameVOILUTSequence: [{ WindowCenter: center, WindowWidth: width }],
      PlanePositionSequence: [{ ImagePositionPatient: [0, 0, 0] }],
    });
    const file = imageFile({
      rows: 1,
      columns: 3,
      frames: 3,
      pixels: words(0, 50, 100, 0, 50, 100, 0, 50, 100),
      attributes: { PerFrameFunctionalGroupsSequence: [voi(50, 101), voi(25, 51), voi(500, 101)] },
    });
    for (const frameNumber of [1, 2, 3])
      expect(await renderedByRanges(file, frameNumber)).toEqual(await renderedWhole(file, frameNumber));
    expect(await renderedByRanges(file, 2)).not.toEqual(await renderedByRanges(file, 1));
    const { read } = reader(file);
    const { dataset } = await renderingAttributes(await readHeader(read, file.length), read, file.length, [2]);
    const items = dataset.sequence('PerFrameFunctionalGroupsSequence');
    expect(items.map((item) => item.size)).toEqual([0, 1]);
  });
});
