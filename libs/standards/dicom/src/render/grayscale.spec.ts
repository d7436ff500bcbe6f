import { describe, expect, it } from 'vitest';
import { decodeFrames, DicomPixelError, DicomRenderError, parseFile, renderFrame, type Attributes } from '../index.js';
import { imageFile, levelsOf, pictureOf, words } from '../../test-support/pictures.js';

/** Stored 0 is -1024 HU. */
const ct = { stored: 12, attributes: { RescaleSlope: 1, RescaleIntercept: -1024 } };
const hu = (...values: readonly number[]): number[] => values.map((value) => value + 1024);
const withWindow = (center: number, width: number, name?: string): { stored: number; attributes: Attributes } => ({
  ...ct,
  attributes: { ...ct.attributes, WindowCenter: center, WindowWidth: width, VOILUTFunction: name },
});

describe('a window', () => {
  it('LINEAR is of integers: its lower end is black, and one more is not', async () => {
    // center - 0.5 = 39.5, width - 1 = 399: from -160 to 239.
    expect(await levelsOf(hu(-1024, -160, -159, 39, 40, 239, 240), withWindow(40, 400))).toEqual([
      0, 0, 1, 127, 128, 255, 255,
    ]);
  });

  it('LINEAR of width 1 is a threshold', async () => {
    expect(await levelsOf(hu(98, 99, 100, 101), withWindow(100, 1))).toEqual([0, 0, 255, 255]);
  });

  it('LINEAR_EXACT has its middle at the center', async () => {
    // From -160 to 240: 255 × (x + 160) / 400.
    expect(await levelsOf(hu(-160, -60, 40, 140, 240, 241), withWindow(40, 400, 'LINEAR_EXACT'))).toEqual([
      0, 64, 128, 191, 255, 255,
    ]);
  });

  it('SIGMOID bends', async () => {
    // 255 / (1 + e^(-(x - 40) / 100)).
    expect(await levelsOf(hu(-60, 40, 140, 240), withWindow(40, 400, 'SIGMOID'))).toEqual([69, 128, 186, 225]);
  });

  it('of the request is taken in place of the one of the object', async () => {
    const asked = { center: 40, width: 400, function: 'LINEAR_EXACT' } as const;
    expect(await levelsOf(hu(40, 240), withWindow(-1000, 2), { window: asked })).toEqual([128, 255]);
  });

  it('is the first of several', async () => {
    const several = { ...ct, attributes: { ...ct.attributes, WindowCenter: [40, 500], WindowWidth: [400, 1000] } };
    expect(await levelsOf(hu(-160, 240), several)).toEqual([0, 255]);
  });

  it.each([
    ['no width', 40, 0, undefined],
    ['a width under 1', 40, 0.5, 'LINEAR'],
    ['a function nobody defined', 40, 400, 'BENT'],
  ])('of the object with %s counts as none', async (_, center, width, name) => {
    expect(await levelsOf(hu(-100, 0, 100), withWindow(center, width, name))).toEqual([0, 128, 255]);
  });

  it.each([
    { center: 40, width: 0.5, function: 'LINEAR' },
    { center: 40, width: 0, function: 'SIGMOID' },
    { center: Number.NaN, width: 400, function: 'LINEAR' },
    { center: 40, width: Infinity, function: 'LINEAR_EXACT' },
  ] as const)('of the request that is none is refused: %o', async (window) => {
    await expect(levelsOf(hu(0), ct, { window })).rejects.toMatchObject({ code: 'dicom.render.bad-option' });
  });
});

describe('lookup tables', () => {
  const voi = (descriptor: readonly number[], data: Uint8Array): Attributes => ({
    ...ct.attributes,
    VOILUTSequence: [{ LUTDescriptor: descriptor, LUTData: data }],
  });

  it('VOI LUT: the first input may be negative though its VR cannot say so, and the ends go on', async () => {
    const attributes = voi([4, 0x10000 - 1000, 8], Uint8Array.of(0, 85, 170, 255));
    expect(await levelsOf(hu(-1024, -1000, -999, -998, -997, 0), { ...ct, attributes })).toEqual([
      0, 0, 85, 170, 255, 255,
    ]);
  });

  it('VOI LUT: entries of 12 bits are scaled to all levels', async () => {
    const attributes = voi([3, 0, 12], words(0, 2048, 4095));
    expect(await levelsOf(hu(0, 1, 2), { ...ct, attributes })).toEqual([0, 128, 255]);
  });

  it('VOI LUT: entries of 8 bits may stand in words', async () => {
    const attributes = voi([3, 0, 8], words(0, 100, 200));
    expect(await levelsOf(hu(0, 1, 2), { ...ct, attributes })).toEqual([0, 100, 200]);
  });

  it('VOI LUT is taken where there is a window too', async () => {
    const attributes = { ...voi([2, 0, 8], Uint8Array.of(7, 9)), WindowCenter: 40, WindowWidth: 400 };
    expect(await levelsOf(hu(0, 1), { ...ct, attributes })).toEqual([7, 9]);
  });

  it('Modality LUT comes before the window', async () => {
    const attributes = {
      ModalityLUTSequence: [{ LUTDescriptor: [3, 10, 16], LUTData: words(0, 1000, 4000) }],
      WindowCenter: 2000,
      WindowWidth: 4001,
    };
    // 255 × (x + 0.5) / 4000.
    expect(await levelsOf([5, 10, 11, 12, 99], { attributes })).toEqual([0, 0, 64, 255, 255]);
  });

  it('with fewer entries than they state are refused', async () => {
    const attributes = voi([300, 0, 16], words(1, 2, 3));
    await expect(levelsOf(hu(0), { ...ct, attributes })).rejects.toMatchObject({ code: 'dicom.render.broken' });
  });

  it('that a header left out are named, and not taken for missing', () => {
    const attributes = voi([2, 0, 8], words(1));
    const file = parseFile(imageFile({ ...ct, rows: 1, columns: 1, pixels: words(0), attributes }));
    const data = file.dataset.sequence('VOILUTSequence')[0]?.element('LUTData');
    if (!data) throw new Error('a table');
    Object.assign(data, { notLoaded: true, value: new Uint8Array(0) });
    const samples = Uint16Array.of(0);
    const frame = { rows: 1, columns: 1, samplesPerPixel: 1, photometricInterpretation: 'MONOCHROME2', samples };
    expect(() => renderFrame(file, frame)).toThrow(DicomRenderError);
    expect(() => renderFrame(file, frame)).toThrow(/not read/);
  });
});

describe('functional groups', () => {
  const attributes: Attributes = {
    // Those of the dataset are not of an enhanced image.
    RescaleSlope: 1,
    RescaleIntercept: 0,
    WindowCenter: 1,
    WindowWidth: 1,
    SharedFunctionalGroupsSequence: [
      { PixelValueTransformationSequence: [{ RescaleSlope: 2, RescaleIntercept: -10 }] },
    ],
    PerFrameFunctionalGroupsSequence: [
      { FrameVOILUTSequence: [{ WindowCenter: 20, WindowWidth: 40, VOILUTFunction: 'LINEAR_EXACT' }] },
      { FrameVOILUTSequence: [{ WindowCenter: 10, WindowWidth: 20, VOILUTFunction: 'LINEAR_EXACT' }] },
    ],
  };

  it('say of each frame what it is, before what all share, before the dataset', async () => {
    const given = { frames: 2, attributes };
    // Both frames are 10 and 30 after the rescale.
    expect(await levelsOf([10, 20, 10, 20], given, { frameNumber: 1 })).toEqual([64, 191]);
    expect(await levelsOf([10, 20, 10, 20], given, { frameNumber: 2 })).toEqual([128, 255]);
  });
});

describe('without a window', () => {
  it('the least value of the frame is black, the greatest white', async () => {
    expect(await levelsOf([1000, 1100, 1200])).toEqual([0, 128, 255]);
  });

  it('padding counts for neither, whichever end of its range is named first', async () => {
    const signed = { signed: true };
    expect(await levelsOf([-2000, 0, 100], signed)).toEqual([0, 243, 255]);
    const range = { PixelPaddingValue: -1000, PixelPaddingRangeLimit: -2000 };
    const vrs = { PixelPaddingValue: 'SS', PixelPaddingRangeLimit: 'SS' };
    expect(await levelsOf([-2000, -1500, 0, 50, 100], { ...signed, attributes: range, vrs })).toEqual([
      0, 0, 0, 128, 255,
    ]);
  });

  it('padding is known by a value of the wrong sign as well', async () => {
    const attributes = { PixelPaddingValue: 0x10000 - 2000 };
    expect(await levelsOf([-2000, 0, 50, 100], { signed: true, attributes })).toEqual([0, 0, 128, 255]);
  });

  it('a frame of padding alone is black', async () => {
    expect(await levelsOf([7, 7], { attributes: { PixelPaddingValue: 7 } })).toEqual([0, 0]);
  });

  it('a frame of one value is black', async () => {
    expect(await levelsOf([500, 500])).toEqual([0, 0]);
  });

  it('a rescale that turns values round turns the picture round', async () => {
    const attributes = { RescaleSlope: -1, RescaleIntercept: 0 };
    expect(await levelsOf([1000, 1100, 1200], { attributes })).toEqual([255, 128, 0]);
  });

  it('8 bits are what a screen shows', async () => {
    const { samples } = await pictureOf({ rows: 1, columns: 4, bits: 8, pixels: Uint8Array.of(10, 20, 30, 40) });
    expect([...samples]).toEqual([10, 20, 30, 40]);
  });

  it('what is For Presentation is in P-Values', async () => {
    const given = { stored: 12, attributes: { PresentationIntentType: 'FOR PRESENTATION' } };
    expect(await levelsOf([0, 2048, 4095], given)).toEqual([0, 128, 255]);
    expect(await levelsOf([100, 200], given)).toEqual([6, 12]);
  });
});

describe('stored values', () => {
  it('are the bits that are stored, not what stands above them', async () => {
    const window = { center: 100, width: 200, function: 'LINEAR_EXACT' } as const;
    expect(await levelsOf([0xf000 + 100, 100], { stored: 12 }, { window })).toEqual([128, 128]);
  });

  it('have their sign where the stored bits end', async () => {
    const window = { center: 0, width: 2, function: 'LINEAR_EXACT' } as const;
    // 0xFFF is -1, 0x001 is 1.
    expect(await levelsOf([0x0fff, 0x0000, 0x0001], { stored: 12, signed: true }, { window })).toEqual([0, 128, 255]);
  });

  it('end at High Bit', async () => {
    const window = { center: 100, width: 200, function: 'LINEAR_EXACT' } as const;
    const given = { stored: 12, attributes: { HighBit: 15 } };
    expect(await levelsOf([100 << 4], given, { window })).toEqual([128]);
  });

  it('of one bit are black and white', async () => {
    const { samples } = await pictureOf({ rows: 2, columns: 4, bits: 1, pixels: Uint8Array.of(0b10110010, 0) });
    expect([...samples]).toEqual([0, 255, 0, 0, 255, 255, 0, 255]);
  });

  it('of the second frame of single bits begin inside a byte', async () => {
    const given = { rows: 1, columns: 3, frames: 2, bits: 1, pixels: Uint8Array.of(0b00101011, 0) };
    expect([...(await pictureOf(given, { frameNumber: 2 })).samples]).toEqual([255, 0, 255]);
  });

  it('may be floating point, with padding of its own and values that are none', async () => {
    const pixels = new Uint8Array(Float32Array.of(-1e30, 0, 0.5, 1, Number.NaN).buffer);
    const given = { rows: 1, columns: 5, bits: 32, pixels, pixelTag: '7FE00008' } as const;
    const attributes = { FloatPixelPaddingValue: Math.fround(-1e30) };
    expect([...(await pictureOf({ ...given, attributes })).samples]).toEqual([0, 0, 128, 255, 0]);
  });

  it('of 32 bits are rendered', async () => {
    const pixels = new Uint8Array(Uint32Array.of(3_000_000_000, 3_500_000_000, 4_000_000_000).buffer);
    expect([...(await pictureOf({ rows: 1, columns: 3, bits: 32, pixels })).samples]).toEqual([0, 128, 255]);
  });
});

describe('polarity', () => {
  const bytes = { rows: 1, columns: 3, bits: 8, pixels: Uint8Array.of(0, 100, 255, 0) };
  const of = async (photometric: string, shape?: string): Promise<number[]> => [
    ...(await pictureOf({ ...bytes, photometric, attributes: { PresentationLUTShape: shape } })).samples,
  ];

  it('MONOCHROME1 is inverted', async () => {
    expect(await of('MONOCHROME1')).toEqual([255, 155, 0]);
  });

  it('is said by Presentation LUT Shape where there is one', async () => {
    expect(await of('MONOCHROME1', 'INVERSE')).toEqual([255, 155, 0]);
    expect(await of('MONOCHROME2', 'INVERSE')).toEqual([255, 155, 0]);
    expect(await of('MONOCHROME2', 'IDENTITY')).toEqual([0, 100, 255]);
    expect(await of('MONOCHROME1', 'IDENTITY')).toEqual([0, 100, 255]);
  });

  it('is turned after the window', async () => {
    const window = { center: 100, width: 100, function: 'LINEAR_EXACT' } as const;
    expect(await levelsOf([50, 75, 150], { photometric: 'MONOCHROME1' }, { window })).toEqual([255, 191, 0]);
  });
});

describe('what is no frame of the header', () => {
  it('is refused', async () => {
    const file = parseFile(imageFile({ rows: 1, columns: 2, pixels: words(1, 2) }));
    const [frame] = await decodeFrames(file);
    if (!frame) throw new Error('one frame');
    expect(() => renderFrame(file, { ...frame, columns: 3 })).toThrow(DicomPixelError);
    expect(() => renderFrame(file, { ...frame, samples: Uint16Array.of(1) })).toThrow(DicomPixelError);
  });

  it('of a colour space that nobody knows is refused', async () => {
    await expect(levelsOf([1, 2], { photometric: 'HSV' })).rejects.toMatchObject({ code: 'dicom.render.unsupported' });
  });
});
