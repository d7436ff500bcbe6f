import { randomBytes } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';

import { beforeAll, describe, expect, it } from 'vitest';

import {
  defaultParseLimits,
  DeflatedExplicitVRLittleEndian,
  type DicomDataset,
  DicomParseError,
  encapsulationEnds,
  ExplicitVRLittleEndian,
  implementationClassUid,
  readHeader,
  stepsOfTurn,
  toDicomJson,
  writeFileMeta,
} from './index.js';
import { turnsBeside } from '../test-support/turns.js';

const mebibyte = 1024 * 1024;
const [sopClassUid, sopInstanceUid] = ['1.2.840.10008.5.1.4.1.1.2', '1.2.3.4'];
const fileMeta = (transferSyntaxUid: string): Uint8Array =>
  writeFileMeta({ sopClassUid, sopInstanceUid, implementationClassUid, transferSyntaxUid });

function head(group: number, number: number, vr: string, length: number): Buffer {
  const isLong = ['OB', 'OW', 'OF', 'SQ', 'UT'].includes(vr);
  const bytes = Buffer.alloc(isLong ? 12 : 8);
  bytes.writeUInt16LE(group, 0);
  bytes.writeUInt16LE(number, 2);
  bytes.write(vr, 4, 'latin1');
  if (isLong) bytes.writeUInt32LE(length, 8);
  else bytes.writeUInt16LE(length, 6);
  return bytes;
}
const text = (group: number, number: number, vr: string, value: string): Buffer =>
  Buffer.concat([head(group, number, vr, value.length), Buffer.from(value, 'latin1')]);
const item = (number: number, length: number): Buffer => {
  const bytes = Buffer.from([0xfe, 0xff, 0, 0, 0, 0, 0, 0]);
  bytes.writeUInt16LE(number, 2);
  bytes.writeUInt32LE(length, 4);
  return bytes;
};

/** Bytes somewhere, of which reads are counted; what is not given is zeros. */
class Far {
  readBytes = 0;
  reads = 0;
  constructor(
    private readonly pieces: readonly (readonly [at: number, bytes: Uint8Array])[],
    readonly byteCount: number,
  ) {}

  readonly read = (offset: number, byteCount: number): Promise<Uint8Array> => {
    const bytes = Buffer.alloc(Math.max(0, Math.min(byteCount, this.byteCount - offset)));
    this.reads++;
    this.readBytes += bytes.length;
    for (const [at, piece] of this.pieces) {
      const from = Math.max(0, offset - at);
      if (at + from < offset + bytes.length)
        bytes.set(piece.subarray(from, offset + bytes.length - at), at + from - offset);
    }
    return Promise.resolve(bytes);
  };
}

/** Parts one behind the other; a number is so many bytes of zeros. */
function far(...parts: (Uint8Array | number)[]): Far {
  let at = 0;
  const pieces: (readonly [number, Uint8Array])[] = [];
  for (const part of parts) {
    if (typeof part === 'number') at += part;
    else {
      pieces.push([at, part]);
      at += part.length;
    }
  }
  return new Far(pieces, at);
}

describe('an object without Pixel Data', () => {
  const length = 1024 * mebibyte;
  const identity = text(0x0020, 0x000d, 'UI', '1.2.33');

  it('is read by what is not bulk data, however long that is', async () => {
    const waveform = [head(0x5400, 0x1010, 'OW', length), length] as const;
    const sequence = [head(0x5400, 0x0100, 'SQ', 0xffffffff), item(0xe000, 0xffffffff)];
    const ends = [item(0xe00d, 0), item(0xe0dd, 0)];
    const last = text(0x5400, 0x1012, 'LO', 'behind');
    const file = far(fileMeta('1.2.840.10008.1.2.1'), identity, ...sequence, ...waveform, ...ends, last);
    const { dataset, pixelData } = await readHeader(file.read, file.byteCount);
    expect([dataset.string('StudyInstanceUID'), dataset.string('54001012'), pixelData]).toEqual([
      '1.2.33',
      'behind',
      undefined,
    ]);
    expect(dataset.sequence('WaveformSequence')[0]?.element('WaveformData')).toMatchObject({
      notLoaded: true,
      range: { byteCount: length },
    });
    expect(file.readBytes).toBeLessThan(4 * mebibyte);
  });

  it('is refused where that ends before its length says so', async () => {
    const cut = far(fileMeta('1.2.840.10008.1.2.1'), identity, head(0x0042, 0x0011, 'OB', length), length - 1);
    await expect(readHeader(cut.read, cut.byteCount)).rejects.toThrow('Truncated');
  });

  it('is read without a text that is as long as a film', async () => {
    const texts = far(fileMeta('1.2.840.10008.1.2.1'), identity, head(0x0040, 0xa160, 'UT', length), length);
    const { dataset } = await readHeader(texts.read, texts.byteCount);
    expect(toDicomJson(dataset, { bulkDataUri: (path) => path })).toEqual({
      '0020000D': { vr: 'UI', Value: ['1.2.33'] },
      '0040A160': { vr: 'UT', BulkDataURI: '0040A160' },
    });
    expect(texts.readBytes).toBeLessThan(4 * mebibyte);
  });
});

describe('encapsulated pixels', () => {
  it('end with their delimiter, found without reading them', async () => {
    const items = [item(0xe000, 0), item(0xe000, 500 * mebibyte), 500 * mebibyte, item(0xe000, 700 * mebibyte)];
    const whole = far(...items, 700 * mebibyte, item(0xe0dd, 0), 5_000);
    expect(await encapsulationEnds(whole.read, 0, whole.byteCount)).toBe(true);
    expect(whole.readBytes).toBeLessThan(4 * mebibyte);
    for (const cut of [far(...items, 5_000), far(...items, 700 * mebibyte), far(...items, 700 * mebibyte, item(1, 0))])
      expect(await encapsulationEnds(cut.read, 0, cut.byteCount)).toBe(false);
  });
});

describe('a deflated object', () => {
  const pixelBytes = 192 * mebibyte;
  let deflated: Buffer;
  const rssMax = (): number => process.resourceUsage().maxRSS * 1024;
  const uid = text(0x0020, 0x000d, 'UI', '1.2.33');
  const asFile = (dataset: Uint8Array): Far => far(fileMeta(DeflatedExplicitVRLittleEndian), dataset);

  beforeAll(() => {
    // Of a stored block's repetitions, so that nothing of this size is held here: a piece that ends at a byte.
    const options = { finishFlush: 2 } as const;
    const head8 = deflateRawSync(Buffer.concat([uid, head(0x7fe0, 0x0010, 'OW', pixelBytes)]), options);
    const piece = deflateRawSync(Buffer.concat([Buffer.alloc(mebibyte - 3_000), randomBytes(3_000)]), options);
    const end = deflateRawSync(Buffer.alloc(0));
    deflated = Buffer.concat([head8, ...Array.from({ length: pixelBytes / mebibyte }, () => piece), end]);
  });

  it('is read to its Pixel Data and no further', async () => {
    const file = asFile(deflated);
    const { dataset, pixelData } = await readHeader(file.read, file.byteCount);
    expect(dataset.string('StudyInstanceUID')).toBe('1.2.33');
    expect(pixelData).toMatchObject({ byteCount: pixelBytes, vr: 'OW' });
    expect(file.readBytes).toBeLessThan(file.byteCount / 2);
  });

  it('is inflated to its end in little memory, and meanwhile others go on', async () => {
    const file = asFile(deflated);
    const before = rssMax();
    let turns = 0;
    const others = setInterval(() => turns++, 1);
    await readHeader(file.read, file.byteCount, { toTheEnd: true });
    clearInterval(others);
    expect(rssMax() - before).toBeLessThan(80 * mebibyte);
    expect(turns).toBeGreaterThan(10);
  });

  it('is refused when it is cut off, broken, shorter than its Pixel Data, or inflates past its limit', async () => {
    const toTheEnd = (bytes: Uint8Array): Promise<unknown> => {
      const file = asFile(bytes);
      return readHeader(file.read, file.byteCount, { toTheEnd: true });
    };
    await expect(toTheEnd(deflated.subarray(0, deflated.length - 1_000))).rejects.toThrow(DicomParseError);
    await expect(toTheEnd(Buffer.concat([deflated.subarray(0, 40_000), Buffer.alloc(90_000, 0xff)]))).rejects.toThrow(
      DicomParseError,
    );
    const short = Buffer.concat([uid, head(0x7fe0, 0x0010, 'OW', 100), Buffer.alloc(50)]);
    await expect(toTheEnd(deflateRawSync(short))).rejects.toThrow('Truncated');
    const zeros = deflateRawSync(Buffer.alloc(mebibyte), { finishFlush: 2 });
    const mebibytes = defaultParseLimits.inflatedBytesMax / mebibyte + 1;
    const begin = deflateRawSync(Buffer.concat([uid, head(0x7fe0, 0x0010, 'OW', 2 ** 31 - 2)]), { finishFlush: 2 });
    const bomb = Buffer.concat([begin, ...Array.from({ length: mebibytes }, () => zeros)]);
    const [, turns] = await turnsBeside(expect(toTheEnd(bomb)).rejects.toThrow('limit'));
    expect(turns).toBeGreaterThan(mebibytes - 10);
  });

  it('is read however far it inflates: a label map with little on it', async () => {
    const pixels = Buffer.concat([uid, head(0x7fe0, 0x0010, 'OW', 8 * mebibyte), Buffer.alloc(8 * mebibyte)]);
    const sparse = deflateRawSync(pixels, { level: 9 });
    expect(pixels.length / sparse.length).toBeGreaterThan(900);
    const file = asFile(sparse);
    const { pixelData } = await readHeader(file.read, file.byteCount, { toTheEnd: true });
    expect(pixelData).toMatchObject({ byteCount: 8 * mebibyte });
  });

  it('what its source throws is thrown', async () => {
    const file = asFile(deflated);
    const away = new Error('away');
    const read = (offset: number, byteCount: number): Promise<Uint8Array> =>
      offset > 100_000 ? Promise.reject(away) : file.read(offset, byteCount);
    await expect(readHeader(read, file.byteCount, { toTheEnd: true })).rejects.toBe(away);
  });
});

it('a header of very many elements gives the event loop back every few thousand', async () => {
  const elements = 40 * stepsOfTurn;
  const empty = Buffer.concat(Array.from({ length: elements }, () => head(0x0008, 0x0050, 'SH', 0)));
  const sequence = Buffer.concat([
    head(0x0008, 0x1110, 'SQ', 0xffffffff),
    item(0xe000, 0xffffffff),
    empty,
    item(0xe00d, 0),
    item(0xe0dd, 0),
    text(0x0020, 0x000d, 'UI', '1.2.33'),
  ]);
  const file = far(fileMeta(ExplicitVRLittleEndian), sequence);
  let read: DicomDataset | undefined;
  const work = readHeader(file.read, file.byteCount).then(({ dataset }) => (read = dataset));
  const [, turns] = await turnsBeside(work);
  expect(turns).toBeGreaterThan(35);
  expect(read?.string('StudyInstanceUID')).toBe('1.2.33');
});
