import { describe, expect, it } from 'vitest';
import type { Attributes, RenderOptions } from '../index.js';
import { pictureOf, words, type GivenImage } from '../../test-support/pictures.js';

const coloursOf = async (given: GivenImage, options?: RenderOptions): Promise<number[]> => {
  const { kind, samples } = await pictureOf({ rows: 1, bits: 8, ...given }, options);
  expect(kind).toBe('rgb8');
  return [...samples];
};

describe('true colour', () => {
  it('RGB of 8 bits is as it is stored, by pixel and by plane', async () => {
    const rgb = { columns: 2, samples: 3 };
    expect(await coloursOf({ ...rgb, pixels: Uint8Array.of(1, 3, 5, 2, 4, 6) })).toEqual([1, 3, 5, 2, 4, 6]);
    expect(await coloursOf({ ...rgb, planar: 1, pixels: Uint8Array.of(1, 2, 3, 4, 5, 6) })).toEqual([1, 3, 5, 2, 4, 6]);
  });

  it('RGB of more bits is scaled', async () => {
    const pixels = words(65535, 32768, 257);
    expect(await coloursOf({ columns: 1, samples: 3, bits: 16, pixels })).toEqual([255, 128, 1]);
    const twelve = words(4095, 2048, 0);
    expect(await coloursOf({ columns: 1, samples: 3, bits: 16, stored: 12, pixels: twelve })).toEqual([255, 128, 0]);
    const wide = new Uint8Array(Uint32Array.of(0xffffffff, 0x80000000, 0).buffer);
    expect(await coloursOf({ columns: 1, samples: 3, bits: 32, pixels: wide })).toEqual([255, 128, 0]);
  });

  it('YBR_FULL becomes RGB, cut off at both ends', async () => {
    const pixels = Uint8Array.of(76, 85, 255, 128, 128, 128, 0, 0, 0);
    // 76 + 1.402 × 127 = 254.05; 76 + 0.34414 × 43 - 0.71414 × 127 = 0.10; 76 - 1.772 × 43 = -0.20.
    // Of three zeros only green is above 0: (0.34414 + 0.71414) × 128 = 135.46.
    expect(await coloursOf({ columns: 3, samples: 3, photometric: 'YBR_FULL', pixels })).toEqual([
      254, 0, 0, 128, 128, 128, 0, 135, 0,
    ]);
  });

  it('YBR_FULL_422 has one chroma for two pixels', async () => {
    const pixels = Uint8Array.of(76, 150, 85, 255);
    // 150 + 178.05 is too much; 150 + 14.80 - 90.70 = 74.10; 150 - 76.20 = 73.80.
    expect(await coloursOf({ columns: 2, samples: 3, photometric: 'YBR_FULL_422', pixels })).toEqual([
      254, 0, 0, 255, 74, 74,
    ]);
  });

  it('YBR_FULL_422 of other samples than three bytes is refused', async () => {
    const given = { rows: 1, columns: 2, photometric: 'YBR_FULL_422', pixels: new Uint8Array(12) };
    for (const other of [
      { samples: 1, bits: 16 },
      { samples: 1, bits: 8 },
      { samples: 3, bits: 16 },
    ])
      await expect(pictureOf({ ...given, ...other })).rejects.toMatchObject({ code: 'dicom.pixel-data-broken' });
  });

  it('the names of JPEG 2000 say what was undone in decoding', async () => {
    for (const photometric of ['YBR_RCT', 'YBR_ICT']) {
      const pixels = Uint8Array.of(10, 20, 30, 0);
      expect(await coloursOf({ columns: 1, samples: 3, photometric, pixels })).toEqual([10, 20, 30]);
    }
  });

  it('has no window', async () => {
    const window = { center: 10, width: 2, function: 'LINEAR' } as const;
    const pixels = Uint8Array.of(10, 20, 30, 0);
    expect(await coloursOf({ columns: 1, samples: 3, pixels }, { window })).toEqual([10, 20, 30]);
  });

  it('of four samples, or of another space, is refused', async () => {
    const pixels = Uint8Array.of(1, 2, 3, 4);
    await expect(
      pictureOf({ rows: 1, columns: 1, bits: 8, samples: 4, photometric: 'CMYK', pixels }),
    ).rejects.toMatchObject({ code: 'dicom.render.unsupported' });
    await expect(
      pictureOf({ rows: 1, columns: 1, bits: 8, samples: 3, photometric: 'HSV', pixels }),
    ).rejects.toMatchObject({ code: 'dicom.render.unsupported' });
  });
});

/** The same table for the three colours, or one each. */
const palette = (descriptor: readonly number[], ...tables: readonly Uint8Array[]): Attributes => {
  const [red, green = red, blue = red] = tables;
  return {
    RedPaletteColorLookupTableDescriptor: descriptor,
    GreenPaletteColorLookupTableDescriptor: descriptor,
    BluePaletteColorLookupTableDescriptor: descriptor,
    RedPaletteColorLookupTableData: red,
    GreenPaletteColorLookupTableData: green,
    BluePaletteColorLookupTableData: blue,
  };
};
const indexed = { rows: 1, bits: 8, photometric: 'PALETTE COLOR' };

describe('a palette', () => {
  it('of bytes has an entry for each value, and its ends for those beyond', async () => {
    const attributes = palette([3, 1, 8], Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5, 6), Uint8Array.of(7, 8, 9));
    const pixels = Uint8Array.of(0, 1, 2, 3, 4, 255);
    expect(await coloursOf({ ...indexed, columns: 6, pixels, attributes })).toEqual(
      [
        [1, 4, 7],
        [1, 4, 7],
        [2, 5, 8],
        [3, 6, 9],
        [3, 6, 9],
        [3, 6, 9],
      ].flat(),
    );
  });

  it('of words has its colours in their upper bytes', async () => {
    const attributes = palette([2, 0, 16], words(0x00ff, 0xff00), words(0x8000, 0x7fff), words(0, 0xffff));
    const pixels = Uint8Array.of(0, 1);
    expect(await coloursOf({ ...indexed, columns: 2, pixels, attributes })).toEqual([0, 128, 0, 255, 127, 255]);
  });

  it('of bytes put into words is no black picture', async () => {
    const attributes = palette([2, 0, 16], words(10, 255));
    expect(await coloursOf({ ...indexed, columns: 2, pixels: Uint8Array.of(0, 1), attributes })).toEqual([
      10, 10, 10, 255, 255, 255,
    ]);
  });

  it('may begin below 0, where pixels are signed', async () => {
    const attributes = palette([3, 0xffff, 8], Uint8Array.of(1, 2, 3));
    const given = { rows: 1, columns: 4, bits: 16, signed: true, photometric: 'PALETTE COLOR', attributes };
    const colours = await coloursOf({ ...given, pixels: words(-5, -1, 0, 1) });
    expect(colours.filter((_, i) => i % 3 === 0)).toEqual([1, 1, 2, 3]);
  });

  it('of 65,536 entries says 0', async () => {
    const table = new Uint8Array(Uint16Array.from({ length: 0x10000 }, (_, i) => i).buffer);
    const attributes = palette([0, 0, 16], table);
    const given = { rows: 1, columns: 2, bits: 16, photometric: 'PALETTE COLOR', attributes };
    expect(await coloursOf({ ...given, pixels: words(0x1234, 0xffff) })).toEqual([0x12, 0x12, 0x12, 255, 255, 255]);
  });

  it('that is missing or short is refused', async () => {
    const given = { ...indexed, columns: 2, pixels: Uint8Array.of(0, 1) };
    await expect(pictureOf(given)).rejects.toMatchObject({ code: 'dicom.render.broken' });
    const short = palette([4, 0, 8], Uint8Array.of(1, 2));
    await expect(pictureOf({ ...given, attributes: short })).rejects.toMatchObject({ code: 'dicom.render.broken' });
  });
});

describe('a supplemental palette', () => {
  const tables = palette([2, 1000, 8], Uint8Array.of(200, 210), Uint8Array.of(100, 110), Uint8Array.of(0, 10));
  const given = { rows: 1, columns: 6, pixels: words(0, 50, 100, 1000, 1001, 5000) };

  it('colours the values from its first on, and leaves the rest grey, of which alone the window is', async () => {
    const { kind, samples } = await pictureOf({ ...given, attributes: { ...tables, PixelPresentation: 'COLOR' } });
    expect(kind).toBe('rgb8');
    expect([...samples]).toEqual(
      [
        [0, 0, 0],
        [128, 128, 128],
        [255, 255, 255],
        [200, 100, 0],
        [210, 110, 10],
        [210, 110, 10],
      ].flat(),
    );
  });

  it('is of the frames that say so, where they differ', async () => {
    const pixels = words(0, 1000, 0, 1000);
    const type = (presentation: string): Attributes => ({
      MRImageFrameTypeSequence: [{ PixelPresentation: presentation }],
    });
    const attributes = {
      ...tables,
      PixelPresentation: 'MIXED',
      PerFrameFunctionalGroupsSequence: [type('MONOCHROME'), type('COLOR')],
    };
    const mixed = { rows: 1, columns: 2, frames: 2, pixels, attributes };
    expect((await pictureOf(mixed, { frameNumber: 1 })).kind).toBe('gray8');
    expect([...(await pictureOf(mixed, { frameNumber: 2 })).samples]).toEqual([0, 0, 0, 200, 100, 0]);
  });

  it('that nothing asks for is not used', async () => {
    expect((await pictureOf({ ...given, attributes: tables })).kind).toBe('gray8');
  });
});

describe('a segmented palette', () => {
  const segmented = (descriptor: readonly number[], data: Uint8Array): Attributes => ({
    RedPaletteColorLookupTableDescriptor: descriptor,
    GreenPaletteColorLookupTableDescriptor: descriptor,
    BluePaletteColorLookupTableDescriptor: descriptor,
    SegmentedRedPaletteColorLookupTableData: data,
    SegmentedGreenPaletteColorLookupTableData: data,
    SegmentedBluePaletteColorLookupTableData: data,
  });
  const redsOf = async (descriptor: readonly number[], data: Uint8Array): Promise<number[]> => {
    const columns = descriptor[0] ?? 0;
    const pixels = Uint8Array.from({ length: columns }, (_, i) => i);
    const colours = await coloursOf({ ...indexed, columns, pixels, attributes: segmented(descriptor, data) });
    return colours.filter((_, i) => i % 3 === 0);
  };

  it('has runs, lines and copies of runs', async () => {
    const data = Uint8Array.of(0, 2, 10, 20, 1, 3, 50, 2, 1, 0, 0, 0, 0, 0, 1, 9);
    expect(await redsOf([8, 0, 8], data)).toEqual([10, 20, 30, 40, 50, 10, 20, 9]);
  });

  it('copies a line from where it stands then', async () => {
    // The line at byte 3 goes to 100 in two steps: from 0, and once more from 40.
    const data = Uint8Array.of(0, 1, 0, 1, 2, 100, 0, 1, 40, 2, 1, 3, 0, 0, 0);
    expect(await redsOf([6, 0, 8], data)).toEqual([0, 50, 100, 40, 70, 100]);
  });

  it('copies several segments', async () => {
    const data = Uint8Array.of(0, 1, 0, 1, 2, 100, 2, 2, 0, 0, 0, 0);
    expect(await redsOf([6, 0, 8], data)).toEqual([0, 50, 100, 0, 50, 100]);
  });

  it('of words counts its offsets in bytes', async () => {
    // The second segment is at word 3, byte 6.
    const data = words(0, 1, 0x1000, 0, 1, 0x2000, 2, 1, 6, 0);
    expect(await redsOf([3, 0, 16], data)).toEqual([0x10, 0x20, 0x20]);
  });

  it.each([
    ['begins with a line', [1, 2, 50, 0]],
    ['copies a copy', [0, 1, 5, 2, 1, 0, 0, 0, 0, 2, 1, 3, 0, 0, 0, 0]],
    ['copies itself', [0, 1, 5, 2, 1, 3, 0, 0, 0, 0]],
    ['ends early', [0, 9, 1, 2]],
    ['has more entries than it says', [0, 5, 1, 2, 3, 4, 5, 0]],
    ['has a segment of nothing', [0, 0, 0, 1]],
    ['has a segment of no known type', [3, 1, 1, 1]],
    ['points behind its end', [0, 1, 5, 2, 1, 255, 255, 255, 255, 0]],
  ])('that %s is refused', async (_, data) => {
    await expect(redsOf([4, 0, 8], Uint8Array.from(data))).rejects.toMatchObject({ code: 'dicom.render.broken' });
  });
});
