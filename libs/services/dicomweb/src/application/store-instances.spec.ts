import { writePart10 } from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';
import { describe, expect, it } from 'vitest';

import { BadRequestError, TooLargeError } from '../domain/errors/door.js';
import { SlowRequestError, UnsupportedMediaTypeError } from '../domain/errors/store.js';
import { MemoryIntake } from '../test-support/memory-intake.js';
import { inChunks, multipart, type SentPart } from '../test-support/multipart.js';
import { storeLimits } from '../test-support/store-limits.js';
import { type StoreAnswer, StoreInstances, type StoreLimits } from './store-instances.js';

const ct = '1.2.840.10008.5.1.4.1.1.2';
const explicit = '1.2.840.10008.1.2.1';

interface Made {
  readonly sopClassUid?: string;
  readonly transferSyntaxUid?: string;
  readonly text?: string;
}

/** A small object without pixels. */
function object(uid: string, { sopClassUid = ct, transferSyntaxUid = explicit, text = '' }: Made = {}): Uint8Array {
  const ui = (value: string) => ({ vr: 'UI', Value: [value] });
  const dataset = {
    ...{ '00080016': ui(sopClassUid), '00080018': ui(uid), '0020000D': ui('1.2.3'), '0020000E': ui('1.2.3.4') },
    '00104000': { vr: 'LT', Value: [text] },
  };
  const steps = writePart10(dataset, { transferSyntaxUid });
  let step = steps.next();
  while (!step.done) step = steps.next();
  return Buffer.concat([...step.value.before]);
}

const part = (bytes: Uint8Array | string, type = 'application/dicom'): SentPart => ({
  headers: { 'Content-Type': type },
  bytes,
});

class Tried {
  readonly intake = new MemoryIntake();
  readonly told: unknown[] = [];
  readonly stores: StoreInstances;

  constructor(limits: StoreLimits = storeLimits) {
    this.stores = new StoreInstances(this.intake, limits, (error) => void this.told.push(error));
  }

  send(body: AsyncIterable<Uint8Array>, contentType = 'multipart/related; type="application/dicom"; boundary=b') {
    const request = {
      contentType,
      contentEncoding: '',
      body,
      studyInstanceUid: undefined,
      source: 'test',
      asker: undefined,
    };
    return this.stores.store({ ...request, baseUrl: 'http://here/dicom-web' });
  }

  get uids(): string[] {
    return this.intake.stored.map((one) => one.object.sopInstanceUid);
  }
}

const sequenceOf = ({ dataset }: StoreAnswer, tag: string): (string | number | undefined)[][] =>
  (dataset[tag]?.Value ?? []).map((item) => {
    const one = item as StoreAnswer['dataset'];
    return [one['00081155']?.Value?.[0], one['00081197']?.Value?.[0]].map((value) => value as string | number);
  });
const referenced = (answer: StoreAnswer) => sequenceOf(answer, '00081199').map(([uid]) => uid);
const failed = (answer: StoreAnswer) => sequenceOf(answer, '00081198');
const others = (answer: StoreAnswer) => sequenceOf(answer, '0008119A').map(([, reason]) => reason);

describe('a STOW-RS request of several objects', () => {
  it('reads the next while those before become durable, and answers in the order they came', async () => {
    const tried = new Tried();
    let open: (() => void) | undefined;
    const first = new Promise<void>((resolve) => (open = resolve));
    tried.intake.gate = (uid) => (uid === '1.1' ? first : Promise.resolve());
    const uids = ['1.1', '1.2', '1.3', '1.4', '1.5', '1.6'];
    const answered = tried.send(
      inChunks(
        multipart(
          'b',
          uids.map((uid) => part(object(uid))),
        ),
        100,
      ),
    );
    await expect.poll(() => tried.uids).toEqual(['1.2', '1.3', '1.4', '1.5', '1.6']);
    open?.();
    const answer = await answered;
    expect([answer.status, referenced(answer)]).toEqual([200, uids]);
    expect(tried.uids.at(-1)).toBe('1.1');
  });

  it('never has more on their way than it may', async () => {
    const tried = new Tried({ ...storeLimits, commitsMax: 3 });
    tried.intake.gate = () => new Promise((resolve) => setTimeout(resolve, 5));
    const parts = Array.from({ length: 20 }, (_, i) => part(object(`1.${i + 1}`)));
    expect((await tried.send(inChunks(multipart('b', parts), 5_000))).status).toBe(200);
    expect([tried.intake.committingMax, tried.intake.open]).toEqual([3, 0]);
  });

  it('keeps two objects of one SOP Instance in the order they came', async () => {
    const tried = new Tried();
    tried.intake.gate = () => new Promise((resolve) => setTimeout(resolve, tried.intake.committing === 1 ? 30 : 0));
    const parts = [
      part(object('1.1', { text: 'first' })),
      part(object('1.2')),
      part(object('1.1', { text: 'second' })),
    ];
    await tried.send(inChunks(multipart('b', parts), 100));
    const texts = tried.intake.stored.filter((one) => one.object.sopInstanceUid === '1.1');
    expect(texts.map(({ bytes }) => bytes.includes('first'))).toEqual([true, false]);
  });

  it('goes on behind an object that is none', async () => {
    const tried = new Tried();
    const parts = [part(object('1.1')), part('junk'), part(''), part(object('1.2'))];
    const answer = await tried.send(inChunks(multipart('b', parts), 50));
    expect([answer.status, referenced(answer), others(answer)]).toEqual([202, ['1.1', '1.2'], [0xc000, 0xc000]]);
    expect([tried.intake.open, answer.warning]).toEqual([0, undefined]);
  });

  it('says of each object why it is not stored', async () => {
    const tried = new Tried();
    const parts = [
      part(object('1.1', { sopClassUid: '1.2.840.10008.1.1' })),
      part(object('1.2', { transferSyntaxUid: '1.2.840.10008.1.2.4.94' })),
      part(object('1.3', { sopClassUid: '1.3.6.1.4.1.9590.100.1' })),
    ];
    const answer = await tried.send(inChunks(multipart('b', parts), 500));
    expect([answer.status, referenced(answer)]).toEqual([202, ['1.3']]);
    expect(failed(answer)).toEqual([
      ['1.1', 0x0122],
      ['1.2', 0xc122],
    ]);
  });
});

describe('a STOW-RS request that breaks', () => {
  const type = 'Content-Type: application/dicom';
  const cut = (end: string): Buffer => multipart('b', [part(object('1.1')), part(object('1.2'))], end);

  it.each([
    ['between two parts', cut('--bad'), [0xc000], 'a multipart boundary is malformed'],
    ['in the headers of a part', cut(`--b\r\n${type}`), [0xc000], 'the request is cut off'],
    ['in an object that cannot be named yet', cut(`--b\r\n${type}\r\n\r\njunk`), [0xc000], 'the request is cut off'],
    [
      'with a part of another type',
      cut(`--b\r\nContent-Type: text/html\r\n\r\n<b>\r\n--b--`),
      [0xc000],
      'objects are taken as application/dicom',
    ],
  ])('%s: what was stored is named, and the cause', async (_where, body, reasons, warning) => {
    const tried = new Tried();
    tried.intake.gate = () => new Promise((resolve) => setTimeout(resolve, 10));
    const answer = await tried.send(inChunks(body, 64));
    expect([answer.status, referenced(answer), others(answer)]).toEqual([202, ['1.1', '1.2'], reasons]);
    expect([answer.warning, tried.intake.open]).toEqual([warning, 0]);
  });

  it('in the middle of an object: names it, and keeps nothing of it', async () => {
    const tried = new Tried();
    const third = tinyCt({ SOPInstanceUID: '1.3' }).bytes;
    const body = cut(`--b\r\n${type}\r\n\r\n`);
    const answer = await tried.send(inChunks(Buffer.concat([body, third.subarray(0, third.length - 100)]), 64));
    expect([answer.status, referenced(answer), others(answer)]).toEqual([202, ['1.1', '1.2'], []]);
    expect([tried.intake.aborted, tried.uids]).toEqual([1, ['1.1', '1.2']]);
    expect(failed(answer)).toEqual([['1.3', 0xc000]]);
  });

  it('past a limit: the reason and the text tell it from one that is malformed', async () => {
    const tried = new Tried({ ...storeLimits, partBytesMax: 2_000 });
    const parts = [part(object('1.1')), part(tinyCt({ SOPInstanceUID: '1.2', Rows: 64, Columns: 64 }).bytes)];
    const answer = await tried.send(inChunks(multipart('b', parts), 64));
    expect([answer.status, failed(answer)]).toEqual([202, [['1.2', 0xa700]]]);
    expect(answer.warning).toBe('a part is larger than 2000 bytes');
  });

  it.each([
    ['cut off', new BadRequestError('cut'), BadRequestError],
    ['too slow', new SlowRequestError(), SlowRequestError],
    ['too large', new TooLargeError('large'), TooLargeError],
  ])('%s, with nothing stored: is refused as what it is', async (_how, error, thrown) => {
    const tried = new Tried();
    const body = multipart('b', [part('junk')], `--b\r\n${type}\r\n\r\nmore`);
    await expect(tried.send(inChunks(body, 10, error))).rejects.toBeInstanceOf(thrown);
    expect([tried.intake.stored, tried.intake.open]).toEqual([[], 0]);
  });

  it('is refused where it holds no object at all', async () => {
    await expect(new Tried().send(inChunks(Buffer.from('--b--\r\n'), 10))).rejects.toBeInstanceOf(BadRequestError);
  });

  it.each(['text/html', 'multipart/related; type="application/dicom+xml"; boundary=b', 'multipart/mixed; boundary=b'])(
    'is refused as %s',
    async (contentType) => {
      await expect(new Tried().send(inChunks(cut('--b--'), 10), contentType)).rejects.toBeInstanceOf(
        UnsupportedMediaTypeError,
      );
    },
  );
});

describe('a defect of ours', () => {
  it('is told once and fails its object alone, where others are stored', async () => {
    const tried = new Tried();
    tried.intake.gate = (uid) => (uid === '1.2' ? Promise.reject(new TypeError('defect')) : Promise.resolve());
    const parts = ['1.1', '1.2', '1.3'].map((uid) => part(object(uid)));
    const answer = await tried.send(inChunks(multipart('b', parts), 100));
    expect([answer.status, referenced(answer), failed(answer)]).toEqual([202, ['1.1', '1.3'], [['1.2', 0x0110]]]);
    expect(tried.told).toEqual([new TypeError('defect')]);
  });

  it('is thrown where nothing is stored because of it', async () => {
    const tried = new Tried();
    tried.intake.gate = () => Promise.reject(new TypeError('defect'));
    await expect(tried.send(inChunks(multipart('b', [part(object('1.1'))]), 100))).rejects.toThrow('defect');
  });
});
