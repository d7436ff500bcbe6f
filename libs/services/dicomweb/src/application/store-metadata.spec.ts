import { type DicomJson, parseFile, toDicomJson } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { StoreMemoryTakenError } from '../domain/errors/store.js';
import { bulk, ct, jls, metadata, octets, reasons, stated, Tried } from '../test-support/metadata-request.js';
import { inChunks, type SentPart } from '../test-support/multipart.js';
import { storeLimits } from '../test-support/store-limits.js';

const elementsOf = (file: Uint8Array | undefined): DicomJson =>
  file ? toDicomJson(parseFile(file).dataset, { inlineBytesMax: Infinity }) : {};
/** Encapsulated frames, without the Basic Offset Table. */
function framesOf(file: Uint8Array | undefined): string[] {
  const { dataset, bytes } = parseFile(file ?? new Uint8Array());
  const [, ...fragments] = dataset.element('7FE00010')?.fragments ?? [];
  return fragments.map(({ offset, byteCount }) => Buffer.from(bytes.subarray(offset, offset + byteCount)).toString());
}
/** What makes a CT one of several compressed frames. */
const of = (frames: number): DicomJson => ({ '00280008': { vr: 'IS', Value: [frames] } });

describe('instances as metadata and bulk data', () => {
  it.each([
    ['with its length', stated],
    ['without it', bulk],
  ])('are stored as they would be from a file, a value %s', async (_how, send) => {
    const tried = new Tried();
    const [one, other] = [ct('1.1'), ct('1.2', 32)];
    const parts = [metadata(one.json, other.json), send('pixels/1.1', one.pixels), send('./pixels/1.2', other.pixels)];
    const answer = await tried.send(parts);
    expect([answer.status, reasons(answer)]).toEqual([200, []]);
    expect(elementsOf(tried.file('1.1'))).toEqual(elementsOf(one.file));
    expect(elementsOf(tried.file('1.2'))).toEqual(elementsOf(other.file));
  });

  it('need no bulk data, and no multipart then', async () => {
    const tried = new Tried();
    const { '7FE00010': _pixels, ...json } = ct('1.1').json;
    expect((await tried.send([metadata(json)])).status).toBe(200);
    const alone = Buffer.from(JSON.stringify({ ...json, '00080018': { vr: 'UI', Value: ['1.2'] } }));
    expect((await tried.post(inChunks(alone, 100), 'application/dicom+json')).status).toBe(200);
    expect(tried.intake.stored).toHaveLength(2);
  });

  it('are streamed: a value that is larger than what may be held passes', async () => {
    const tried = new Tried({ metadata: { ...storeLimits.metadata, heldBytesMax: 20_000 } });
    const { json, pixels, file } = ct('1.1', 256);
    for (const send of [stated, bulk]) {
      const answer = await tried.send([metadata(json), send('pixels/1.1', pixels)]);
      expect([answer.status, reasons(answer)]).toEqual([200, []]);
    }
    expect(elementsOf(tried.file('1.1'))).toEqual(elementsOf(file));
    expect(tried.intake.chunkMax).toBeLessThan(5_000);
  });

  it('are whole when the last of several values has come, whatever their order, those in items too', async () => {
    const more: DicomJson = {
      '54000100': { vr: 'SQ', Value: [{ '54001010': { vr: 'OW', BulkDataURI: 'http://elsewhere/wave' } }] },
      FFFCFFFC: { vr: 'OB', BulkDataURI: 'padding' },
    };
    const { json, pixels } = ct('1.1', 4, more);
    const values = [
      bulk('http://elsewhere/wave', 'wave'),
      bulk('padding', 'odd'),
      stated('pixels/1.1', pixels),
    ] as const;
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
    ] as const) {
      const tried = new Tried();
      const answer = await tried.send([metadata(json), ...order.map((i) => values[i])]);
      expect(reasons(answer)).toEqual([]);
      const stored = elementsOf(tried.file('1.1'));
      expect(stored['FFFCFFFC']?.InlineBinary).toBe(Buffer.from('odd\0').toString('base64'));
      expect(stored['54000100']?.Value).toEqual([
        { '54001010': { vr: 'OW', InlineBinary: Buffer.from('wave').toString('base64') } },
      ]);
      expect(stored['7FE00010']?.InlineBinary).toBe(Buffer.from(pixels).toString('base64'));
    }
  });

  it('may share a value', async () => {
    const tried = new Tried();
    const shared = { '7FE00010': { vr: 'OW', BulkDataURI: 'same' } };
    const { pixels } = ct('1.1');
    const answer = await tried.send([
      metadata(ct('1.1', 4, shared).json, ct('1.2', 4, shared).json),
      bulk('same', pixels),
    ]);
    expect([answer.status, tried.intake.stored.length]).toEqual([200, 2]);
  });

  it('that share a value fail one by one: what is on its way stays stored', async () => {
    const tried = new Tried({ commitsMax: 1 });
    const shared = { '7FE00010': { vr: 'OW', BulkDataURI: 'same' } };
    const noVr = { '00091010': { vr: 'ZZ', Value: ['x'] } };
    const [one, other, third, fourth] = [ct('1.1'), ct('1.2'), ct('1.3'), ct('1.4', 8)];
    const answer = await tried.send([
      metadata(
        { ...one.json, ...shared },
        { ...other.json, ...shared },
        { ...third.json, ...shared, ...noVr },
        { ...fourth.json, ...shared },
      ),
      bulk('same', one.pixels),
    ]);
    expect([answer.status, tried.intake.open]).toEqual([202, 0]);
    expect(reasons(answer)).toEqual([
      ['1.3', 0xc000],
      ['1.4', 0xc000],
    ]);
    expect(tried.intake.stored.map(({ object }) => object.sopInstanceUid)).toEqual(['1.1', '1.2']);
  });

  it.each([
    ['streamed', stated],
    ['held', bulk],
  ])('leave nothing open where the archive fails, a value %s', async (_how, send) => {
    const tried = new Tried();
    tried.intake.failure = new StoreMemoryTakenError();
    const { json, pixels } = ct('1.1');
    const padded = { ...json, FFFCFFFC: { vr: 'OB', BulkDataURI: 'padding' } };
    const answer = await tried.send([metadata(padded), send('pixels/1.1', pixels), send('padding', 'x')]);
    expect([answer.status, reasons(answer)]).toEqual([503, [['1.1', 0xa700]]]);
    expect([tried.intake.open, tried.intake.aborted]).toEqual([0, 1]);
  });

  it.each([
    ['with their lengths', stated],
    ['without', bulk],
  ])('have a part for each compressed frame, in order, %s', async (_how, send) => {
    const tried = new Tried();
    const said = 'image/jls; transfer-syntax=1.2.840.10008.1.2.4.80';
    const [one, other] = [ct('1.1', 4, of(3)), ct('1.2', 4, of(2))];
    const frames = ['frame 1', 'frame 22', 'frame 3'].map((text) => send('pixels/1.1', jls(text), said));
    // Those of another instance in between are held.
    const between = ['a', 'bb'].map((text) => send('pixels/1.2', jls(text), 'image/x-jls'));
    const [a, b] = between as [SentPart, SentPart];
    const [first, ...later] = frames as [SentPart];
    const answer = await tried.send([metadata(one.json, other.json), first, a, ...later, b]);
    expect([answer.status, reasons(answer), tried.intake.open]).toEqual([200, [], 0]);
    expect(framesOf(tried.file('1.1'))).toEqual(
      ['frame 1', 'frame 22\0', 'frame 3'].map((text) => jls(text).toString()),
    );
    expect(framesOf(tried.file('1.2'))).toEqual(['a', 'bb\0'].map((text) => jls(text).toString()));
    expect(parseFile(tried.file('1.1') ?? new Uint8Array()).fileMeta.transferSyntaxUid).toBe('1.2.840.10008.1.2.4.80');
  });

  it.each([
    ['of the part', 'image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.51', '1.2.840.10008.1.2.4.50', '51'],
    ['of octets', `${octets}; transfer-syntax=1.2.840.10008.1.2.4.50`, undefined, '50'],
    ['of the metadata', 'image/jpeg', '1.2.840.10008.1.2.4.51', '51'],
    ['of the code stream', 'image/jpeg', '1.2.840.10008.1.2.1', '50'],
    ['of a video', 'video/mp4', undefined, '102'],
  ])('are in the transfer syntax %s', async (_whose, type, inMetadata, last) => {
    const tried = new Tried();
    const baseline = Buffer.from('ffd8ffc0000b080008000801011100ffda0008010100003f00ffd9', 'hex');
    const more = inMetadata === undefined ? {} : { '00020010': { vr: 'UI', Value: [inMetadata] } };
    const isVideo = type.startsWith('video/');
    const answer = await tried.send([
      metadata(ct('1.1', 4, { ...more, ...of(isVideo ? 100 : 1) }).json),
      bulk('pixels/1.1', baseline, type),
    ]);
    expect(reasons(answer)).toEqual([]);
    const { fileMeta } = parseFile(tried.file('1.1') ?? new Uint8Array());
    expect(fileMeta.transferSyntaxUid).toBe(`1.2.840.10008.1.2.4.${last}`);
  });

  it('take the image attributes that they lack from the first frame', async () => {
    const baseline = Buffer.from('ffd8ffc0000b080010002001011100ffda0008010100003f00ffd9', 'hex');
    const json = Object.fromEntries(Object.entries(ct('1.1').json).filter(([tag]) => !tag.startsWith('0028')));
    for (const send of [stated, bulk]) {
      const tried = new Tried();
      const frames = [send('pixels/1.1', baseline, 'image/jpeg'), send('pixels/1.1', baseline, 'image/jpeg')];
      const answer = await tried.send([metadata({ ...json, ...of(2) }), ...frames]);
      expect([answer.status, reasons(answer)]).toEqual([200, []]);
      const { dataset } = parseFile(tried.file('1.1') ?? new Uint8Array());
      expect(['Rows', 'Columns', 'BitsAllocated'].map((keyword) => dataset.number(keyword))).toEqual([16, 32, 8]);
      expect(dataset.string('PhotometricInterpretation')).toBe('MONOCHROME2');
      expect(framesOf(tried.file('1.1'))).toHaveLength(2);
    }
  });

  it('take a document in its own media type, and in no other', async () => {
    const document: DicomJson = {
      '00420011': { vr: 'OB', BulkDataURI: 'pdf' },
      '00420012': { vr: 'LO', Value: ['application/pdf'] },
    };
    const { '7FE00010': _pixels, ...json } = ct('1.1', 4, document).json;
    expect((await new Tried().send([metadata(json), stated('pdf', '%PDF', 'application/pdf')])).status).toBe(200);
    expect(reasons(await new Tried().send([metadata(json), stated('pdf', '<b>', 'text/html')]))).toEqual([
      ['1.1', 0xc000],
    ]);
  });
});

describe('metadata and bulk data that do not belong together', () => {
  const one = ct('1.1');
  const jpeg = 'image/jpeg';
  it.each<[string, SentPart[], unknown[]]>([
    ['a value is missing', [], [['1.1', 0xc000]]],
    [
      'nothing refers to a part',
      [bulk('elsewhere', 'x')],
      [
        ['1.1', 0xc000],
        ['', 0xc000],
      ],
    ],
    [
      'a part has no location',
      [{ headers: { 'Content-Type': octets }, bytes: one.pixels }],
      [
        ['1.1', 0xc000],
        ['', 0xc000],
      ],
    ],
    [
      'a value is shorter than it says',
      [bulk('pixels/1.1', one.pixels.subarray(2), octets, { 'Content-Length': '32' })],
      [['1.1', 0xc000]],
    ],
    [
      'a value is longer than it says',
      [bulk('pixels/1.1', Buffer.concat([one.pixels, one.pixels]), octets, { 'Content-Length': '32' })],
      [['1.1', 0xc000]],
    ],
    ['pixels are fewer than the image has', [stated('pixels/1.1', one.pixels.subarray(2))], [['1.1', 0xc000]]],
    [
      'pixels are more than the image has',
      [bulk('pixels/1.1', Buffer.concat([one.pixels, one.pixels]))],
      [['1.1', 0xc000]],
    ],
    ['a value is encoded', [bulk('pixels/1.1', one.pixels, octets, { 'Content-Encoding': 'gzip' })], [['1.1', 0xc000]]],
    ['pixels come as a page', [bulk('pixels/1.1', one.pixels, 'text/html')], [['1.1', 0xc000]]],
    [
      'pixels come in a syntax of another type',
      [bulk('pixels/1.1', 'x', `${jpeg}; transfer-syntax=1.2.840.10008.1.2.4.80`)],
      [['1.1', 0xc122]],
    ],
    [
      'octets are big-endian',
      [bulk('pixels/1.1', one.pixels, `${octets}; transfer-syntax=1.2.840.10008.1.2.2`)],
      [['1.1', 0xc122]],
    ],
  ])('%s', async (_what, parts, wanted) => {
    const tried = new Tried();
    const answer = await tried.send([metadata(one.json), ...parts]);
    expect([answer.status, reasons(answer)]).toEqual([409, wanted]);
    expect([tried.intake.stored, tried.intake.open]).toEqual([[], 0]);
  });

  it('a frame is missing, or of another type than those before: nothing of the instance is kept', async () => {
    for (const parts of [
      [stated('pixels/1.1', jls('a'), 'image/jls')],
      [stated('pixels/1.1', jls('a'), 'image/jls'), stated('pixels/1.1', 'b', 'image/jp2')],
      [stated('pixels/1.1', jls('a'), 'image/jls'), stated('pixels/1.1', 'b')],
    ]) {
      const tried = new Tried();
      const answer = await tried.send([metadata(ct('1.1', 4, of(2)).json), ...parts]);
      expect([answer.status, reasons(answer)]).toEqual([409, [['1.1', 0xc000]]]);
      expect([tried.intake.stored, tried.intake.open, tried.intake.aborted]).toEqual([[], 0, 1]);
    }
  });

  it('a frame more than there are is said, and the instance stands', async () => {
    const tried = new Tried();
    const frames = ['a', 'b'].map((text) => stated('pixels/1.1', jls(text), 'image/jls'));
    const answer = await tried.send([metadata(one.json), ...frames]);
    expect([answer.status, reasons(answer), tried.intake.stored.length]).toEqual([202, [['', 0xc000]], 1]);
  });

  it('pixels in the metadata itself that are not as long as the image: compressed ones, which have no place there', async () => {
    const inline = (bytes: Uint8Array): DicomJson => ({
      '7FE00010': { vr: 'OW', InlineBinary: Buffer.from(bytes).toString('base64') },
    });
    const good = await new Tried().send([metadata({ ...one.json, ...inline(one.pixels) })]);
    expect([good.status, reasons(good)]).toEqual([200, []]);
    for (const bytes of [Buffer.from('fffee000'), one.pixels.subarray(1), Buffer.alloc(0)]) {
      const answer = await new Tried().send([metadata({ ...one.json, ...inline(bytes) })]);
      expect([answer.status, reasons(answer)]).toEqual([409, [['1.1', 0xc000]]]);
    }
  });

  it('octets without image attributes, and frames whose code stream does not say them either', async () => {
    const { '00280010': _rows, ...json } = one.json;
    for (const part of [stated('pixels/1.1', 'a', 'image/jls'), stated('pixels/1.1', one.pixels)]) {
      const answer = await new Tried().send([metadata(json), part]);
      expect([answer.status, reasons(answer)]).toEqual([409, [['1.1', 0xc000]]]);
    }
  });

  it('others are stored all the same', async () => {
    const tried = new Tried();
    const two = ct('1.2');
    const answer = await tried.send([
      metadata(one.json, two.json, { '00080018': { vr: 'UI', Value: ['../../1.3'] } }, { no: 'tag' }),
      stated('pixels/1.2', two.pixels),
    ]);
    expect([answer.status, tried.intake.stored.length]).toEqual([202, 1]);
    expect(reasons(answer)).toEqual([
      ['1.1', 0xc000],
      ['', 0xc000],
      ['', 0xc000],
    ]);
  });
});
