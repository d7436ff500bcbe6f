import { describe, expect, it } from 'vitest';
import { readCodeStream } from './codestream.js';
import { frameHeader, jpegOf, segment } from '../../test-support/jpeg.js';

const text = (letters: string): number[] => [...Buffer.from(letters, 'latin1')];
const jfif = segment(0xe0, ...text('JFIF'), 0, 1, 2, 0, 0, 1, 0, 1, 0, 0);
const adobe = (transform: number): number[] => segment(0xee, ...text('Adobe'), 0, 100, 0, 0, 0, 0, transform);
const frame = (marker: number, components = 3): number[] =>
  frameHeader(marker, { rows: 2, columns: 3, sampling: Array.from({ length: components }, () => 0x11) });
const scan = segment(0xda, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0);
const jpeg = (...parts: readonly number[][]): Uint8Array => jpegOf(...parts, scan);

describe('the colours of a JPEG', () => {
  it.each<[name: string, parts: number[][], colour: string | undefined]>([
    ['JFIF', [jfif, frame(0xc0)], 'YBR_FULL'],
    ['JFIF, progressive', [jfif, frame(0xc2)], 'YBR_FULL'],
    ['Adobe without a transform', [adobe(0), frame(0xc0)], 'RGB'],
    ['Adobe with one', [frame(0xc0), adobe(1)], 'YBR_FULL'],
    ['JFIF before Adobe', [jfif, adobe(0), frame(0xc0)], 'YBR_FULL'],
    ['no mark', [frame(0xc0)], undefined],
    [
      'application data of others',
      [segment(0xe0, ...text('JFXX'), 0), segment(0xee, ...text('other'), 0), frame(0xc0)],
      undefined,
    ],
    ['one component', [jfif, frame(0xc0, 1)], undefined],
    // Lossless ones are of DICOM's writers alone, who put a mark there by habit.
    ['lossless', [jfif, frame(0xc3)], undefined],
  ])('%s', (_, parts, colour) => {
    const stream = readCodeStream(jpeg(...parts));
    expect(stream).toMatchObject({ columns: 3, rows: 2, precision: 8 });
    expect(stream?.colour).toBe(colour);
  });
});

describe('a header', () => {
  it('is read past markers that have no length', () => {
    expect(readCodeStream(jpeg([0xff, 0x01, 0xff, 0xd3], frame(0xc0)))).toMatchObject({ columns: 3, rows: 2 });
  });

  it('is not looked for in hundreds of megabytes', () => {
    const fill = (byteCount: number): Uint8Array => {
      const head = Uint8Array.from([0xff, 0xd8]);
      return Buffer.concat([head, new Uint8Array(byteCount).fill(0xff), jpeg(frame(0xc0)).subarray(2)]);
    };
    expect(readCodeStream(fill(1024 * 1024))).toMatchObject({ columns: 3, rows: 2 });
    expect(readCodeStream(fill(3 * 1024 * 1024))).toBeUndefined();
  });
});
