import { buffer, text } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { ByteBudget } from '@callosum/archive';
import { toDicomXml } from '@callosum/dicom';
import { deflatePiece, type GzipPart } from '@callosum/gzip';
import { beforeEach, describe, expect, it } from 'vitest';

import { Retrieves } from '../../application/retrieves.js';
import { MemoryTakenError } from '../../domain/errors/retrieve.js';
import { xmlOf } from './metadata-xml.js';

const names = Array.from({ length: 20_000 }, (_, i) => ({ Alphabetic: `Doe^Jane^${String(i % 7)}` }));
const dataset = { '00101001': { vr: 'PN', Value: names } };
const json = JSON.stringify(dataset);
const xml = [...toDicomXml(dataset)].join('');

describe('a long dataset as XML', () => {
  /** For one that is written, eight times its JSON, and what is kept of some. */
  const bytesMax = 10 * json.length;
  let budget: ByteBudget;
  let retrieves: Retrieves;

  beforeEach(() => {
    budget = new ByteBudget(bytesMax);
    retrieves = new Retrieves(budget, { requestsMax: 100, memoryWaitMs: 100 });
  });

  it('that nobody takes holds what is kept of it, and no more: the memory is for others', async () => {
    const unread = [];
    for (let client = 0; client < 5; client++) {
      const retrieve = retrieves.begin();
      unread.push({ retrieve, body: await xmlOf([deflatePiece(json)], retrieve) });
    }
    const another = retrieves.begin();
    await another.hold(bytesMax / 2);
    await another.hold(0);
    for (const { retrieve, body } of unread) {
      expect(await text(body)).toBe(xml);
      retrieve.end();
    }
    await another.hold(bytesMax);
  });

  it('holds its JSON too, where that is no pieces of the index: it is there until the next one is read', async () => {
    const retrieve = retrieves.begin();
    await xmlOf([json], retrieve);
    await expect(retrieves.begin().hold(bytesMax - 2 * json.length)).rejects.toBeInstanceOf(MemoryTakenError);
    await retrieves.begin().hold(bytesMax - 2 * json.length - json.length / 4);
  });

  it('waits for its turn to be written, and holds nothing meanwhile', async () => {
    const [first, second] = [retrieves.begin(), retrieves.begin()];
    await first.hold(bytesMax / 2);
    const waiting = xmlOf([deflatePiece(json)], second);
    await expect(waiting).rejects.toBeInstanceOf(MemoryTakenError);
    await first.hold(bytesMax);
  });

  it('is written no further when its answer has ended, and holds nothing then', async () => {
    const retrieve = retrieves.begin();
    const workEnded = retrieve.work();
    const written = xmlOf([deflatePiece(json)], retrieve);
    const failed = expect(written).rejects.toThrow();
    for (let turn = 0; turn < 3; turn++) await nextTurn();
    retrieve.end();
    await failed;
    workEnded();
    await retrieves.begin().hold(bytesMax);
  });

  it('whose text does not deflate is whole as well', async () => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (Math.imul(i, 0x9e3779b1) >>> 13) & 0xff));
    const part: GzipPart = JSON.stringify({ '00091010': { vr: 'OB', InlineBinary: bytes.toString('base64') } });
    const retrieve = retrieves.begin();
    const body = await buffer(await xmlOf([part], retrieve));
    expect(body.includes(bytes.toString('base64'))).toBe(true);
  });
});
