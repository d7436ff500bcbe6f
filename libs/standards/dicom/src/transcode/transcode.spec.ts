import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeFrames,
  DeflatedExplicitVRLittleEndian,
  DicomParseError,
  ExplicitVRBigEndian,
  ExplicitVRLittleEndian,
  ImplicitVRLittleEndian,
  parseDataset,
  parseFile,
  RLELossless,
  transcode,
  writeFileMeta,
  type DicomJson,
} from '../index.js';
import {
  collected,
  fileOf,
  imageElements,
  implementation,
  linesOf,
  noise,
  sourceOf,
  transcoded,
} from '../../test-support/objects.js';

/** Public attributes of every kind of VR, and private ones. */
const text = (vr: string) =>
  fc.string({ maxLength: 9 }).map((value) => ({ vr, bytes: even(Buffer.from(value, 'latin1')) }));
const words = (vr: string, size: number) =>
  fc.uint8Array({ maxLength: 5 }).map((bytes) => ({ vr, bytes: noise(bytes.length * size, bytes[0] ?? 1) }));
const even = (bytes: Uint8Array): Uint8Array =>
  bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.from(' ')]);
const leaves = {
  '0008002A': text('DT'),
  '00080119': text('UC'),
  '00080120': text('UR'),
  '00081161': words('UL', 4),
  '00090010': fc.constant({ vr: 'LO', bytes: Buffer.from('CALLOSUM') }),
  '00091001': text('LT'),
  '00091002': words('FD', 8),
  '00091003': fc.uint8Array({ maxLength: 6 }).map((bytes) => ({ vr: 'UN', bytes: even(bytes) })),
  '00100010': text('PN'),
  '00186020': words('SL', 4),
  '00189087': words('FD', 8),
  '00280009': words('AT', 4),
  '00281201': words('OW', 2),
  '0040A160': text('UT'),
  '00640009': words('OF', 4),
};
const dataset: fc.Memo<DicomJson> = fc.memo((depth) => {
  const items = fc.array(depth > 1 ? dataset(depth - 1) : fc.record(leaves, { requiredKeys: [] }), { maxLength: 2 });
  const sequence = items.map((Value) => ({ vr: 'SQ', Value }));
  return fc.record(
    { ...leaves, '00081140': sequence, '00091010': sequence, '00400275': sequence },
    { requiredKeys: [] },
  );
});
const long = process.env['CALLOSUM_FUZZ_RUNS'];
/** Levels of sequences: one more is many times more elements. */
const deep = long === undefined ? 1 : 3;
const seeded = { seed: 20261126, numRuns: Number(long ?? 10) };

describe('a dataset without pixels', () => {
  it('comes back equal from every uncompressed syntax, however its bytes arrive', async () => {
    await fc.assert(
      fc.asyncProperty(dataset(deep), fc.integer({ min: 5, max: 400 }), async (elements, chunkBytes) => {
        const file = fileOf(elements);
        const original = parseFile(file).dataset;
        for (const to of [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]) {
          const there = await transcoded(file, to, { chunkBytes });
          // An inflater is a thread's work for every chunk.
          const back = await transcoded(there, ExplicitVRLittleEndian, { chunkBytes: 10 * chunkBytes });
          for (const each of [there, back])
            expect(linesOf(parseFile(each).dataset, { vr: true })).toEqual(linesOf(original, { vr: true }));
        }
        const implicit = await transcoded(file, ImplicitVRLittleEndian, { chunkBytes });
        const big = await transcoded(implicit, ExplicitVRBigEndian, { chunkBytes });
        // Implicit VR knows no VR of private attributes.
        for (const each of [implicit, big])
          expect(linesOf(parseFile(each).dataset, { vr: false })).toEqual(linesOf(original, { vr: false }));
      }),
      seeded,
    );
  });

  it('keeps its bytes in the syntax it is stored in', async () => {
    const file = fileOf({ '00100010': { vr: 'PN', Value: ['A^B'] } });
    const { datasetOffset } = parseFile(file);
    const same = await transcode(sourceOf(file), { to: ExplicitVRLittleEndian });
    expect(await collected(same.dataset())).toEqual(new Uint8Array(file.subarray(datasetOffset)));
    expect(same).toMatchObject({ sopInstanceUid: '1.2.3.4', sopClassUid: '1.2.840.10008.5.1.4.1.1.7' });
  });

  it('is UN in Explicit VR where its VR cannot hold its length', async () => {
    const value = noise(70_000);
    const head = Buffer.from([0x10, 0, 0x20, 0, 0, 0, 0, 0]);
    head.writeUInt32LE(value.length, 4);
    const source = { ...sourceOf(Buffer.concat([head, value])), transferSyntaxUid: ImplicitVRLittleEndian };
    const explicit = await collected((await transcode(source, { to: ExplicitVRLittleEndian })).dataset());
    expect(Buffer.from(explicit.subarray(4, 6)).toString()).toBe('UN');
    const back = parseDataset(explicit, ExplicitVRLittleEndian).dataset.bytes('00100020');
    expect(Buffer.from(back ?? []).equals(value)).toBe(true);
  });

  it('has US and SS by Pixel Representation, also ahead of it and in items', async () => {
    const at = (vr: string) => ({ vr, bytes: Uint8Array.of(0xff, 0xff) });
    const signed = fileOf({
      ...imageElements({ signed: true }),
      '00189810': at('SS'),
      '00280106': at('SS'),
      '00283000': { vr: 'SQ', Value: [{ '00283002': { vr: 'SS', bytes: noise(6) } }] },
    });
    const back = parseFile(await transcoded(await transcoded(signed, ImplicitVRLittleEndian), ExplicitVRLittleEndian));
    expect(linesOf(back.dataset, { vr: true })).toEqual(linesOf(parseFile(signed).dataset, { vr: true }));
  });

  it('loses group lengths and trailing padding, which would be wrong, and nothing else', async () => {
    const file = Buffer.concat([
      fileOf({ '00100010': { vr: 'PN', Value: ['A^B'] } }),
      Buffer.from([0x12, 0, 0, 0, 0x55, 0x4c, 4, 0, 9, 9, 0, 0]),
      Buffer.from([0x12, 0, 0x10, 0, 0x4c, 0x4f, 3, 0, 0x61, 0x62, 0x63]),
      Buffer.from([0xfc, 0xff, 0xfc, 0xff, 0x4f, 0x42, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]),
    ]);
    const out = parseFile(await transcoded(file, ImplicitVRLittleEndian)).dataset;
    expect([...out].map(({ tag }) => tag)).toEqual(['00080016', '00080018', '00100010', '00120010']);
    expect(out.bytes('00120010')).toEqual(new Uint8Array(Buffer.from('abc ')));
  });

  it('has sequences where they were sent as UN of undefined length', async () => {
    const item = Buffer.from('feff00e0ffffffff100020000400000031323334feff0de000000000feffdde000000000', 'hex');
    const unknown = Buffer.concat([fileOf({}), Buffer.from('110010105' + '54e0000ffffffff', 'hex'), item]);
    const back = parseFile(await transcoded(unknown, ExplicitVRBigEndian)).dataset;
    expect(linesOf(back, { vr: true }).slice(-2)).toEqual(['00111010 SQ', '00111010[0].00100020 LO 31323334']);
  });

  it.each([
    ['inside a value', 3],
    ['inside a head', 13],
  ])('is refused when it ends %s', async (_where, cut) => {
    const file = fileOf({ '00100010': { vr: 'PN', Value: ['Somebody^Else'] } });
    await expect(transcoded(file.subarray(0, file.length - cut), ImplicitVRLittleEndian)).rejects.toThrow(
      DicomParseError,
    );
  });

  it('is not compressed', async () => {
    await expect(transcoded(fileOf({}), RLELossless)).rejects.toMatchObject({ code: 'dicom.transcode.unfit' });
  });
});

describe('pixels', () => {
  const sizes = [
    { frames: 3, bits: 16 },
    { frames: 2, bits: 8, samples: 3, photometric: 'RGB', planar: 0 },
    { frames: 2, bits: 8, samples: 3, photometric: 'RGB', planar: 1 },
    { frames: 2, bits: 8, samples: 3, rows: 3, columns: 3, photometric: 'YBR_FULL', planar: 1 },
    { frames: 1, bits: 32 },
    { frames: 2, bits: 16, signed: true, samples: 3, planar: 1 },
    { frames: 3, bits: 8, rows: 3, columns: 5 },
  ];

  it.each(sizes)('%j are the same in Big Endian, in RLE, and back', async (size) => {
    const { rows = 4, columns = 6, samples = 1 } = size;
    const value = noise(rows * columns * samples * (size.bits / 8) * size.frames);
    const vr = size.bits > 8 ? 'OW' : 'OB';
    const file = fileOf({ ...imageElements(size), '7FE00010': { vr, bytes: even(value) } });
    const expected = await decodeFrames(file);
    for (const path of [
      [ExplicitVRBigEndian],
      [RLELossless],
      [ExplicitVRBigEndian, RLELossless, ImplicitVRLittleEndian],
    ]) {
      let object = file;
      for (const to of path) object = await transcoded(object, to, { chunkBytes: 37 });
      expect(await decodeFrames(object)).toEqual(expected);
      expect(linesOf(parseFile(object).dataset, { vr: false, without: ['7FE00010', '00280006'] })).toEqual(
        linesOf(parseFile(file).dataset, { vr: false, without: ['7FE00010', '00280006'] }),
      );
    }
  });

  it('with subsampled chroma are given all of it where they are compressed', async () => {
    const image = { ...imageElements({ bits: 8, samples: 3, photometric: 'YBR_FULL_422', planar: 0 }) };
    const file = fileOf({ ...image, '7FE00010': { vr: 'OB', bytes: noise(48) } });
    const rle = await transcoded(file, RLELossless);
    expect(parseFile(rle).dataset.string('00280004')).toBe('YBR_FULL');
    expect((await decodeFrames(rle))[0]?.samples).toEqual((await decodeFrames(file))[0]?.samples);
    const implicit = await transcoded(file, ImplicitVRLittleEndian);
    expect(parseFile(implicit).dataset.string('00280004')).toBe('YBR_FULL_422');
  });

  it('of one bit, and floating point ones, stay uncompressed', async () => {
    const mask = fileOf({ ...imageElements({ bits: 1, frames: 3 }), '7FE00010': { vr: 'OB', bytes: noise(10) } });
    const float = fileOf({ ...imageElements({ bits: 32 }), '7FE00008': { vr: 'OF', bytes: noise(96) } });
    for (const file of [mask, float]) {
      const back = await transcoded(await transcoded(file, ExplicitVRBigEndian), ExplicitVRLittleEndian);
      expect(linesOf(parseFile(back).dataset, { vr: true })).toEqual(linesOf(parseFile(file).dataset, { vr: true }));
      await expect(transcoded(file, RLELossless)).rejects.toMatchObject({ code: 'dicom.transcode.unfit' });
    }
  });

  it('are followed by what follows them, and not by rubbish', async () => {
    const image = fileOf({
      ...imageElements(),
      '7FE00010': { vr: 'OW', bytes: noise(48) },
      FFFAFFFA: { vr: 'SQ', Value: [{}] },
    });
    const out = parseFile(await transcoded(Buffer.concat([image, noise(1000)]), RLELossless));
    expect([...out.dataset].map(({ tag }) => tag).slice(-2)).toEqual(['7FE00010', 'FFFAFFFA']);
    expect(out.garbageOffset).toBeUndefined();
  });

  it('lose their offset tables with the fragments these point into', async () => {
    const image = fileOf({ ...imageElements({ frames: 2 }), '7FE00010': { vr: 'OW', bytes: noise(96) } });
    const [table, ...fragments] = fragmentsOf(await transcoded(image, RLELossless));
    expect([table?.length, fragments.length]).toEqual([0, 2]);
    // The same frames cut in two each, told apart by the Extended Offset Table.
    const halves = fragments.flatMap((bytes) => [bytes.subarray(0, 64), bytes.subarray(64)]);
    const starts = [0, 8 + (halves[0]?.length ?? 0) + 8 + (halves[1]?.length ?? 0)].map(BigInt);
    const tables = {
      '7FE00001': { vr: 'OV', bytes: new Uint8Array(BigUint64Array.from(starts).buffer) },
      '7FE00002': { vr: 'OV', bytes: new Uint8Array(16) },
    };
    const cut = {
      ...imageElements({ frames: 2 }),
      ...tables,
      '7FE00010': { vr: 'OB', fragments: [new Uint8Array(0), ...halves] },
    };
    const out = await transcoded(fileOf(cut, RLELossless), ExplicitVRLittleEndian);
    expect(linesOf(parseFile(out).dataset, { vr: true })).toEqual(linesOf(parseFile(image).dataset, { vr: true }));
  });

  it('are refused as another number of frames than is stated, and shorter than stated before anything is given', async () => {
    const fragments = [new Uint8Array(0), noise(64), noise(64)];
    const odd = fileOf({ ...imageElements({ frames: 3 }), '7FE00010': { vr: 'OB', fragments } }, RLELossless);
    await expect(transcoded(odd, ImplicitVRLittleEndian)).rejects.toMatchObject({ code: 'dicom.pixel-data-broken' });
    const short = fileOf({ ...imageElements({ frames: 2 }), '7FE00010': { vr: 'OW', bytes: noise(48) } });
    await expect(transcode(sourceOf(short), { to: RLELossless })).rejects.toMatchObject({
      code: 'dicom.pixel-data-broken',
    });
  });

  it('of an icon are decoded with those of the image', async () => {
    const pixels = { vr: 'OW', bytes: noise(48) };
    const icon = { ...imageElements({ bits: 8, rows: 2, columns: 2 }), '7FE00010': { vr: 'OB', bytes: noise(4) } };
    const rleIcon = {
      ...icon,
      '7FE00010': { vr: 'OB', fragments: fragmentsOf(await transcoded(fileOf(icon), RLELossless)) },
    };
    const image = (item: DicomJson, Value: DicomJson) =>
      ({ ...imageElements(), '00880200': { vr: 'SQ', Value: [item] }, ...Value }) as DicomJson;
    const plain = fileOf(image(icon, { '7FE00010': pixels }));
    const fragments = fragmentsOf(await transcoded(plain, RLELossless));
    const compressed = fileOf(image(rleIcon, { '7FE00010': { vr: 'OB', fragments } }), RLELossless);
    const out = await transcoded(compressed, ExplicitVRLittleEndian);
    expect(linesOf(parseFile(out).dataset, { vr: true })).toEqual(linesOf(parseFile(plain).dataset, { vr: true }));
  });
});

const fragmentsOf = (file: Uint8Array): Uint8Array[] =>
  (parseFile(file).dataset.element('7FE00010')?.fragments ?? []).map(({ offset, byteCount }) =>
    file.slice(offset, offset + byteCount),
  );

describe('what cannot be given', () => {
  const jpeg = { vr: 'OB', fragments: [new Uint8Array(0), Uint8Array.of(0xff, 0xd8, 0xff, 0xd9)] };
  const image = (uid: string) => fileOf({ ...imageElements({ bits: 8 }), '7FE00010': jpeg }, uid);

  it.each([
    '1.2.840.10008.1.2.4.100',
    '1.2.840.10008.1.2.4.102',
    '1.2.840.10008.1.2.4.107',
    '1.2.840.10008.1.2.4.92',
    '1.2.3.4',
  ])('is %s, uncompressed', async (uid) => {
    const peer = { to: [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless] };
    await expect(transcode(sourceOf(image(uid)), peer)).rejects.toMatchObject({ code: 'dicom.transcode.undecodable' });
    expect((await transcode(sourceOf(image(uid)), { to: [ExplicitVRLittleEndian, uid] })).transferSyntaxUid).toBe(uid);
  });

  it('is an object whose pixels are elsewhere', async () => {
    const referenced = fileOf(
      { ...imageElements(), '00287FE0': { vr: 'UR', Value: ['http://pixels.example/1'] } },
      '1.2.840.10008.1.2.4.94',
    );
    await expect(transcoded(referenced, ExplicitVRLittleEndian)).rejects.toMatchObject({
      code: 'dicom.transcode.undecodable',
    });
  });

  it('is another syntax than those that are written', async () => {
    const file = fileOf({ ...imageElements(), '7FE00010': { vr: 'OW', bytes: noise(48) } });
    for (const uid of ['1.2.840.10008.1.2.4.50', '1.2.840.10008.1.2.4.91', '1.2.840.10008.1.2.4.110', '1.2.3.4'])
      await expect(transcode(sourceOf(file), { to: uid })).rejects.toMatchObject({ code: 'dicom.transcode.unfit' });
  });

  it('is a frame larger than any', async () => {
    const forged = fileOf({ ...imageElements({ rows: 30_000, columns: 30_000 }), '7FE00010': jpeg }, RLELossless);
    await expect(transcode(sourceOf(forged), { to: ExplicitVRLittleEndian })).rejects.toMatchObject({
      code: 'dicom.transcode.too-large',
    });
  });
});

describe('who has asked for an object', () => {
  const native = fileOf({ ...imageElements({ frames: 3 }), '7FE00010': { vr: 'OW', bytes: noise(144) } });

  it.each([
    [ExplicitVRLittleEndian, RLELossless],
    [RLELossless, ExplicitVRLittleEndian],
  ])('is told of each frame that is made, and what they take: %s to %s', async (from, to) => {
    const file = from === ExplicitVRLittleEndian ? native : await transcoded(native, from);
    let made = 0;
    const transcoding = await transcode(sourceOf(file), { to, onFrame: () => made++ });
    expect(transcoding).toMatchObject({ frames: 3, frameBytes: 48, hasPixels: true });
    expect(transcoding.frameWorkBytes).toBeGreaterThanOrEqual(3 * 48);
    expect(made).toBe(0);
    await collected(transcoding.dataset());
    expect(made).toBe(3);
  });

  it('is told of none where they are copied, or there are none', async () => {
    const without = fileOf(imageElements());
    for (const [file, hasPixels] of [
      [native, true],
      [without, false],
    ] as const) {
      const transcoding = await transcode(sourceOf(file), {
        to: ImplicitVRLittleEndian,
        onFrame: () => expect.unreachable(),
      });
      expect(transcoding).toMatchObject({ frames: 0, frameBytes: 0, frameWorkBytes: 0, hasPixels });
      await collected(transcoding.dataset());
    }
  });

  it('takes less memory where fewer may be worked on', async () => {
    const limits = { framesInWorkBytesMax: 48 };
    const { frameWorkBytes } = await transcode(sourceOf(native), { to: RLELossless, limits });
    expect(frameWorkBytes).toBe(3 * 48);
  });

  it('may say which it likes best', async () => {
    const to = ['1.2.840.10008.1.2.4.50', RLELossless, ImplicitVRLittleEndian];
    expect((await transcode(sourceOf(native), { to })).transferSyntaxUid).toBe(ImplicitVRLittleEndian);
    expect((await transcode(sourceOf(native), { to, inOrder: true })).transferSyntaxUid).toBe(RLELossless);
    await expect(transcode(sourceOf(native), { to: to.slice(0, 1), inOrder: true })).rejects.toMatchObject({
      code: 'dicom.transcode.unfit',
    });
  });
});

describe('of several syntaxes a peer accepts', () => {
  const accepted = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    RLELossless,
    '1.2.840.10008.1.2.4.80',
    '1.2.840.10008.1.2.4.90',
  ];
  const chosen = async (file: Uint8Array, to: readonly string[]): Promise<string> =>
    (await transcode(sourceOf(file), { to })).transferSyntaxUid;

  it('the stored one is taken, else a lossless compressed one for what is compressed, else the simplest', async () => {
    const native = fileOf({ ...imageElements(), '7FE00010': { vr: 'OW', bytes: noise(48) } });
    const rle = await transcoded(native, RLELossless);
    expect(await chosen(native, accepted)).toBe(ExplicitVRLittleEndian);
    expect(await chosen(native, accepted.slice(2))).toBe('1.2.840.10008.1.2.4.80');
    expect(await chosen(rle, accepted)).toBe(RLELossless);
    expect(await chosen(rle, [ImplicitVRLittleEndian, '1.2.840.10008.1.2.4.90'])).toBe('1.2.840.10008.1.2.4.90');
    expect(await chosen(rle, [ImplicitVRLittleEndian, '1.2.840.10008.1.2.4.50'])).toBe(ImplicitVRLittleEndian);
  });

  it('one that names a wider family keeps the code streams', async () => {
    const fragments = [new Uint8Array(0), Uint8Array.of(0xff, 0xd8, 0xff, 0xf7, 0, 1)];
    const jls = fileOf({ ...imageElements(), '7FE00010': { vr: 'OB', fragments } }, '1.2.840.10008.1.2.4.80');
    const out = await transcoded(jls, [ImplicitVRLittleEndian, '1.2.840.10008.1.2.4.81']);
    expect(parseFile(out).transferSyntax.uid).toBe('1.2.840.10008.1.2.4.81');
    expect(fragmentsOf(out)).toEqual(fragments);
  });
});

describe('the stream', () => {
  const frames = 40;
  const file = fileOf({
    ...imageElements({ rows: 128, columns: 128, frames }),
    '7FE00010': { vr: 'OW', bytes: noise(128 * 128 * 2 * frames) },
  });

  it.each([ImplicitVRLittleEndian, RLELossless, DeflatedExplicitVRLittleEndian])(
    'to %s is read as it is taken, and let go when nobody takes more',
    async (to) => {
      const source = sourceOf(file, 4096);
      const dataset = (await transcode(source, { to })).dataset();
      await dataset.next();
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(source.taken).toBeLessThan(file.length / 2);
      await dataset.return(undefined);
      await expect.poll(() => source.closed).toBe(2);
    },
  );

  it('ends with the reason of its signal', async () => {
    const stop = new AbortController();
    const dataset = (await transcode(sourceOf(file, 4096), { to: RLELossless, signal: stop.signal })).dataset();
    await dataset.next();
    stop.abort(new Error('nobody waits'));
    await expect(collected(dataset)).rejects.toThrow('nobody waits');
  });

  it('of a deflated dataset that inflates past the limit is refused', async () => {
    const deflated = await transcoded(file, DeflatedExplicitVRLittleEndian);
    await expect(
      transcoded(deflated, ExplicitVRLittleEndian, { limits: { inflatedBytesMax: 100_000 } }),
    ).rejects.toThrow(DicomParseError);
  });

  it('of a bare dataset, as DIMSE carries it, is the same', async () => {
    const { datasetOffset } = parseFile(file);
    const source = { ...sourceOf(file.subarray(datasetOffset)), transferSyntaxUid: ExplicitVRLittleEndian };
    const bare = await collected((await transcode(source, { to: ExplicitVRBigEndian })).dataset());
    const meta = writeFileMeta({
      ...implementation,
      sopClassUid: '1.2.840.10008.5.1.4.1.1.7',
      sopInstanceUid: '1.2.3.4',
      transferSyntaxUid: ExplicitVRBigEndian,
    });
    expect(Buffer.concat([meta, bare]).equals(await transcoded(file, ExplicitVRBigEndian))).toBe(true);
  });
});
