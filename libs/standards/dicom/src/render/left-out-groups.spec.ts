import { describe, expect, it } from 'vitest';
import {
  decodeFrames,
  DeflatedExplicitVRLittleEndian,
  DicomParseError,
  ExplicitVRBigEndian,
  ImplicitVRLittleEndian,
  parseFile,
  readHeader,
  renderFrame,
  renderingAttributes,
  type ParsedHeader,
} from '../index.js';
import {
  emptyElements,
  emptyItems,
  item,
  rescaled,
  rescaledFramesOf,
  sequence,
} from '../../test-support/many-elements.js';
import { transcoded } from '../../test-support/objects.js';
import { imageFile, words } from '../../test-support/pictures.js';

const frames = 24_000;
const row = [0, 25, 50, 75, 100];
/** Each frame has the row, and a slope of its own. */
const slopeOf = (number: number): number => 0.2 + (number % 701) / 1_000;

/** An image whose header has this before its pixels. */
function fileWith(part: Buffer): Uint8Array {
  const pixels = new Uint8Array(2 * row.length * frames);
  for (let i = 0; i < frames; i++) pixels.set(words(...row), i * 2 * row.length);
  const file = imageFile({ rows: 1, columns: row.length, frames, pixels });
  const { pixelData } = parseFile(file);
  // Of OW: tag, VR, two bytes and a length.
  const at = (pixelData?.offset ?? 0) - 12;
  return Buffer.concat([file.subarray(0, at), part, file.subarray(at)]);
}

const sharedTag = 0x52009229;
const asUnknown = (of: Buffer): Buffer => {
  const head = Buffer.from([0x00, 0x52, 0x30, 0x92, 0x55, 0x4e, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(of.length, 8);
  return Buffer.concat([head, of]);
};
/** An element of Implicit VR. */
const implicit = (tag: number, value: Buffer): Buffer => {
  const head = Buffer.alloc(8);
  head.writeUInt16LE(tag >>> 16, 0);
  head.writeUInt16LE(tag & 0xffff, 2);
  head.writeUInt32LE(value.length, 4);
  return Buffer.concat([head, value]);
};
const implicitFrame = (number: number): Buffer =>
  implicit(
    0xfffee000,
    implicit(
      0x00289145,
      implicit(
        0xfffee000,
        Buffer.concat([
          implicit(0x00281052, Buffer.from('0 ')),
          implicit(0x00281053, Buffer.from(slopeOf(number).toFixed(6))),
        ]),
      ),
    ),
  );

interface Read {
  readonly header: ParsedHeader;
  readonly rendered: (frameNumber: number) => Promise<number[]>;
}

async function opened(file: Uint8Array): Promise<Read> {
  const read = (offset: number, byteCount: number): Promise<Uint8Array> =>
    Promise.resolve(file.subarray(offset, offset + byteCount));
  const header = await readHeader(read, file.length);
  const parsed = parseFile(file);
  return {
    header,
    rendered: async (frameNumber) => {
      const attributes = await renderingAttributes(header, read, file.length, [1, frameNumber]);
      const [frame] = await decodeFrames(parsed, { frameNumbers: [frameNumber] });
      if (!frame) throw new Error('one frame');
      const window = { center: 50, width: 101, function: 'LINEAR_EXACT' } as const;
      return [...renderFrame(attributes, frame, { frameNumber, window }).samples];
    },
  };
}

const level = (value: number): number => ((value - 50) / 101 + 0.5) * 255;
function expectRescaled(levels: readonly number[], slope: number): void {
  expect(levels).toHaveLength(row.length);
  for (const [i, value] of row.entries()) expect(Math.abs((levels[i] ?? 0) - level(value * slope))).toBeLessThan(1);
}

describe('functional groups that are too many for a header', () => {
  const perFrame = 'PerFrameFunctionalGroupsSequence';
  const part = rescaledFramesOf(frames, slopeOf);

  it.each([
    ['as they are', undefined],
    ['in Implicit VR', ImplicitVRLittleEndian],
    ['big-endian', ExplicitVRBigEndian],
    ['deflated', DeflatedExplicitVRLittleEndian],
  ] as const)('are those of the frame that is shown: %s', async (_, transferSyntaxUid) => {
    const file = fileWith(part);
    const { header, rendered } = await opened(transferSyntaxUid ? await transcoded(file, transferSyntaxUid) : file);
    expect(header.dataset.element(perFrame)).toMatchObject({ notLoaded: true });
    for (const number of [1, 2, 9_000, frames]) expectRescaled(await rendered(number), slopeOf(number));
  });

  it('are read also where somebody did not know the sequence (PS3.5 6.2.2 note 2)', async () => {
    const items = Array.from({ length: frames }, (_, i) => implicitFrame(i + 1));
    const { header, rendered } = await opened(fileWith(asUnknown(Buffer.concat(items))));
    expect(header.dataset.element(perFrame)).toMatchObject({ vr: 'UN', notLoaded: true });
    expectRescaled(await rendered(9_000), slopeOf(9_000));
  });

  it('are those that all frames share, where others have taken the room', async () => {
    const shared = sequence(sharedTag, item(rescaled(0.5)));
    const { header, rendered } = await opened(fileWith(Buffer.concat([emptyItems(209_710), shared])));
    expect(header.dataset.element('SharedFunctionalGroupsSequence')).toMatchObject({ notLoaded: true });
    expectRescaled(await rendered(9_000), 0.5);
  });

  it('of one frame that alone are too many are refused, and not passed over', async () => {
    const groups = sequence(
      0x52009230,
      item(rescaled(0.5)),
      item(Buffer.concat([rescaled(0.5), emptyElements(220_000)])),
    );
    const { rendered } = await opened(fileWith(groups));
    expectRescaled(await rendered(1), 0.5);
    await expect(rendered(2)).rejects.toThrow(DicomParseError);
  });

  it('are read up to the last frame that is asked for, and kept of no other', async () => {
    const file = fileWith(part);
    let byteCount = 0;
    const read = (offset: number, length: number): Promise<Uint8Array> => {
      byteCount += length;
      return Promise.resolve(file.subarray(offset, offset + length));
    };
    const header = await readHeader(read, file.length);
    byteCount = 0;
    const { dataset } = await renderingAttributes(header, read, file.length, [9_000, 100]);
    expect(byteCount).toBeLessThan(part.length * 0.75);
    const items = dataset.sequence(perFrame);
    expect(Object.keys(items)).toEqual(['99', '8999']);
    expect(items[8_999]?.size).toBe(2);
  });
});
