import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import type { DicomJson } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { BadRequestError, TooLargeError } from '../domain/errors/door.js';
import { StoreMemoryTakenError, UnsupportedMediaTypeError } from '../domain/errors/store.js';
import { bulk, ct, metadata, octets, reasons, stated, Tried, withMetadata } from '../test-support/metadata-request.js';
import { multipart } from '../test-support/multipart.js';
import { storeLimits } from '../test-support/store-limits.js';

/** What is held of the heap and beside it, garbage aside. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

describe('what metadata may cost', () => {
  const held = (heldBytesMax: number) => ({ metadata: { ...storeLimits.metadata, heldBytesMax } });
  const two = (uid: string): DicomJson => ct(uid, 64, { FFFCFFFC: { vr: 'OB', BulkDataURI: `padding/${uid}` } }).json;
  const { pixels } = ct('1.1', 64);

  it('one request holds so much at most', async () => {
    const tried = new Tried(held(10_000));
    const answer = await tried.send([metadata(two('1.1')), stated('pixels/1.1', pixels), stated('padding/1.1', 'x')]);
    expect([answer.status, reasons(answer)]).toEqual([409, [['1.1', 0xc000]]]);
  });

  it('all together hold so much at most, and it is free again behind them', async () => {
    const tried = new Tried({ heldBytesMax: 20_000 });
    const parts = [metadata(two('1.1')), stated('pixels/1.1', pixels), stated('padding/1.1', 'x')];
    const body = multipart('b', parts);
    let goOn: (() => void) | undefined;
    const paused = new Promise<void>((resolve) => (goOn = resolve));
    // One that holds its pixels, and has its last value still to send.
    const slow = (async function* () {
      yield body.subarray(0, -40);
      await paused;
      yield body.subarray(-40);
    })();
    const first = tried.post(slow, withMetadata);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const second = await tried.send(parts);
    expect([second.status, reasons(second)]).toEqual([503, [['1.1', 0xa700]]]);
    goOn?.();
    expect((await first).status).toBe(200);
    for (let i = 0; i < 5; i++) expect((await tried.send(parts)).status).toBe(200);
    for (let i = 0; i < 5; i++) expect((await tried.send(parts.slice(0, 2))).status).toBe(409);
    expect((await tried.send(parts)).status).toBe(200);
  });

  it('what is made of a dataset counts in place of its text for as long as the archive takes', async () => {
    const tried = new Tried({ heldBytesMax: 20_000 });
    const comments = 'x'.repeat(10_000);
    const inline = (uid: string): DicomJson => ({
      ...ct(uid, 2).json,
      '7FE00010': { vr: 'OW', InlineBinary: 'AAAAAAAAAAA=' },
      '00104000': { vr: 'LT', Value: [comments] },
    });
    let goOn: () => void = () => undefined;
    let written = 0;
    const paused = new Promise<void>((resolve) => (goOn = resolve));
    const begin = tried.intake.begin.bind(tried.intake);
    tried.intake.begin = (context) => {
      const writer = begin(context);
      return {
        ...writer,
        write: (bytes) => (written++ === 0 ? paused : Promise.resolve()).then(() => writer.write(bytes)),
      };
    };
    const first = tried.send([metadata(inline('1.1'))]);
    await expect.poll(() => written).toBe(1);
    // Its text alone is not too much: the blocks of the first are there beside it.
    await expect(tried.send([metadata(inline('1.2'))])).rejects.toBeInstanceOf(StoreMemoryTakenError);
    goOn();
    expect((await first).status).toBe(200);
    expect((await tried.send([metadata(inline('1.2'))])).status).toBe(200);
  });

  it('datasets of two requests are objects one after the other, however long the first takes', async () => {
    const tried = new Tried();
    const opened: string[] = [];
    const begin = tried.intake.begin.bind(tried.intake);
    tried.intake.begin = (context) => {
      opened.push(context.source);
      return begin(context);
    };
    const { '7FE00010': _pixels, ...json } = ct('1.1').json;
    const send = (source: string, items: number) => {
      const many = { vr: 'SQ', Value: Array.from({ length: items }, () => ({})) };
      const text = Buffer.from(JSON.stringify({ ...json, '00081140': many }));
      const body = (async function* () {
        await Promise.resolve();
        yield text;
      })();
      const request = { contentType: 'application/dicom+json', contentEncoding: '', studyInstanceUid: undefined };
      return tried.stores.store({ ...request, source, asker: undefined, body, baseUrl: 'http://here/dicom-web' });
    };
    const answers = await Promise.all([send('of many turns', 25_000), send('of none', 1)]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    // Side by side the short one would be written first.
    expect(opened).toEqual(['of many turns', 'of none']);
  });

  it.each([
    ['cut off', '[{"00080018":{"vr":"UI"', BadRequestError],
    ['no array of datasets', '"[]"', BadRequestError],
    ['nested too deep', `[${'{"00081140":{"vr":"SQ","Value":['.repeat(10_000)}`, BadRequestError],
    ['of too many values', `[{"00081140":{"vr":"SQ","Value":[${'{},'.repeat(100_000)}{}]}}]`, TooLargeError],
    ['too large', `[${' '.repeat(1_000_000)}]`, TooLargeError],
    ['of too many instances', `[${'{},'.repeat(100)}{}]`, TooLargeError],
    ['empty', '[]', BadRequestError],
  ])('%s, it is refused', async (_what, text, thrown) => {
    const part = { headers: { 'Content-Type': 'application/dicom+json' }, bytes: text };
    await expect(new Tried().send([part])).rejects.toBeInstanceOf(thrown);
  });

  it('text that comes byte by byte is held as if it came at once', async () => {
    const tried = new Tried();
    const byteCount = 150_000;
    let grownBytes = 0;
    const body = (async function* () {
      yield Buffer.from('[{"00104000":{"vr":"LT","Value":["');
      const atFirst = heapBytes();
      for (let i = 0; i < byteCount; i++) yield Uint8Array.of(0x78);
      grownBytes = heapBytes() - atFirst;
      yield Buffer.from('"]}}]');
    })();
    expect(reasons(await tried.post(body, 'application/dicom+json'))).toEqual([['', 0xc000]]);
    // 233 bytes each, kept as they come.
    expect(grownBytes).toBeLessThan(20 * byteCount);
  });

  it('gives others a turn between two datasets', async () => {
    const dataset = `{"00081140":{"vr":"SQ","Value":[${'{},'.repeat(25_000)}{}]}}`;
    const body = (async function* () {
      yield Buffer.from(`[${`${dataset},`.repeat(10)}${dataset}]`);
    })();
    let turns = 0;
    let isOver = false;
    const others = (): void => {
      turns++;
      if (!isOver) setImmediate(others);
    };
    setImmediate(others);
    const answer = await new Tried().post(body, 'application/dicom+json');
    isOver = true;
    expect([answer.status, reasons(answer).length]).toEqual([409, 11]);
    expect(turns).toBeGreaterThan(9);
  });

  it('gives others turns within one dataset, while it is read and while it is written', async () => {
    const { '7FE00010': _pixels, ...json } = ct('1.1').json;
    const items = { vr: 'SQ', Value: Array.from({ length: 25_000 }, () => ({})) };
    let turns = 0;
    let isOver = false;
    const others = (): void => {
      turns++;
      if (!isOver) setImmediate(others);
    };
    const text = Buffer.from(JSON.stringify({ ...json, '00081140': items }));
    const body = (async function* () {
      yield text;
    })();
    setImmediate(others);
    const answer = await new Tried().post(body, 'application/dicom+json');
    isOver = true;
    expect(answer.status).toBe(200);
    expect(turns).toBeGreaterThan(5);
  });

  it('a dataset that is larger than what may wait is refused while it comes, and what others hold is said', async () => {
    const text = JSON.stringify([{ '00104000': { vr: 'LT', Value: ['x'.repeat(50_000)] } }]);
    const part = { headers: { 'Content-Type': 'application/dicom+json' }, bytes: text };
    await expect(new Tried(held(10_000)).send([part])).rejects.toBeInstanceOf(TooLargeError);
    const tried = new Tried({ heldBytesMax: 10_000 });
    for (let i = 0; i < 3; i++) await expect(tried.send([part])).rejects.toBeInstanceOf(StoreMemoryTakenError);
    // All of it was given back.
    const { '7FE00010': _pixels, ...json } = ct('1.1').json;
    expect((await tried.send([metadata(json)])).status).toBe(200);
  });

  it('a dataset that is no JSON, or not in UTF-8, or nested as deep as no parser goes, fails alone', async () => {
    const { '7FE00010': _pixels, ...json } = ct('1.1').json;
    const deep = `${'{"00081140":{"vr":"SQ","Value":['.repeat(70)}{}${']}}'.repeat(70)}`;
    const text = Buffer.concat([
      Buffer.from(`[{"a":nonsense},{"00100010":"`),
      Buffer.from([0xff, 0xfe]),
      Buffer.from(`"},${deep},${JSON.stringify(json)}]`),
    ]);
    const answer = await new Tried().send([{ headers: { 'Content-Type': 'application/dicom+json' }, bytes: text }]);
    expect([answer.status, reasons(answer)]).toEqual([
      202,
      [
        ['', 0xc000],
        ['', 0xc000],
        ['', 0xc000],
      ],
    ]);
  });

  it('a first part that is no metadata is refused', async () => {
    await expect(new Tried().send([bulk('x', 'x')])).rejects.toBeInstanceOf(UnsupportedMediaTypeError);
  });

  it('a request that breaks in a value names all that waited, and keeps nothing of them', async () => {
    const tried = new Tried();
    const [one, other, third] = [ct('1.1'), ct('1.2'), ct('1.3')];
    const parts = [metadata(one.json, other.json, third.json), stated('pixels/1.1', one.pixels)];
    const end = `--b\r\nContent-Type: ${octets}\r\nContent-Location: pixels/1.2\r\n\r\n0123`;
    const answer = await tried.send(parts, end);
    expect([answer.status, answer.warning]).toEqual([202, 'the request is cut off']);
    expect(reasons(answer)).toEqual([
      ['1.2', 0xc000],
      ['1.3', 0xc000],
    ]);
    expect([tried.intake.open, tried.intake.aborted, tried.intake.stored.length]).toEqual([0, 1, 1]);
  });
});
