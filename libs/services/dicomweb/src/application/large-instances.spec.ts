import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { ExplicitVRLittleEndian, RLELossless } from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';
import { describe, expect, it } from 'vitest';

import { instanceChoices, readAccept } from '../domain/accept.js';
import { NotAcceptableError } from '../domain/errors/door.js';
import { Blob, datasetOf, fileOf, memoryOf } from '../test-support/kept.js';
import { ReadInstances } from './read-instances.js';

/** Its decoded frames would be so many times 32 MiB; of the pixels nothing is there. */
const frames = (count: number, rows = 4096): Uint8Array =>
  fileOf(
    {
      ...datasetOf({ rows, columns: 4096, frames: count, bitsAllocated: 16, vr: 'OW', pixels: new Uint8Array() }),
      '7FE00010': { vr: 'OB', fragments: [new Uint8Array(), new Uint8Array(64)] },
    },
    RLELossless,
  );
const { studyInstanceUid, sopInstanceUid } = tinyCt();

function archive(...blobs: Blob[]) {
  const read = new ReadInstances({
    locate: () => Promise.resolve(blobs.map(({ instance }) => instance)),
    open: (key, ...what) => (blobs.find(({ instance }) => instance.blobKey === key) as Blob).open(key, ...what),
  });
  const begin = async (accept: string) => {
    const selection = { studyInstanceUid, ...(blobs.length === 1 ? { sopInstanceUid } : {}) };
    return read.bodies(await read.wanted(selection, readAccept(accept, undefined)), memoryOf());
  };
  return { begin, ask: async (accept: string) => Promise.all((await begin(accept)).map(({ make }) => make())) };
}
const byName = `transfer-syntax=${ExplicitVRLittleEndian}`;

describe('what is stored without loss and is longer than uncompressed pixels may be (PS3.18 8.7.3)', () => {
  it('leaves as it is stored where no syntax is named', async () => {
    const bytes = frames(129);
    const { ask } = archive(new Blob(bytes, RLELossless));
    for (const accept of ['application/dicom', '*/*']) {
      const [body] = await ask(accept);
      expect(body).toMatchObject({ transferSyntaxUid: RLELossless, byteCount: bytes.length });
      expect(await buffer((await body?.open()) as Readable)).toEqual(Buffer.from(bytes));
    }
    await expect(ask(`application/dicom; ${byName}`)).rejects.toBeInstanceOf(NotAcceptableError);
  });

  it('as what is broken does, which is none the larger for it', async () => {
    const { ask } = archive(new Blob(frames(1, 0), RLELossless));
    const [body] = await ask('application/dicom');
    expect(body).toMatchObject({ transferSyntaxUid: RLELossless, multipart: false });
    await expect(ask(`application/dicom; ${byName}`)).rejects.toBeInstanceOf(NotAcceptableError);
  });

  it('neither cuts its study: it is in it as it is stored, or all are refused before the answer begins', async () => {
    const { ask, begin } = archive(
      new Blob(tinyCt().bytes, ExplicitVRLittleEndian, { blobKey: '0' }),
      new Blob(frames(129), RLELossless, { blobKey: '1', byteCount: 64 * 1024 * 1024 }),
    );
    const asked = 'multipart/related; type="application/dicom"';
    const bodies = await ask(asked);
    expect(bodies.map((body) => body.transferSyntaxUid)).toEqual([ExplicitVRLittleEndian, RLELossless]);
    await expect(begin(`${asked}; ${byName}`)).rejects.toBeInstanceOf(NotAcceptableError);
  });

  it('is meant where its own syntax is neither named nor refused', () => {
    const choices = (header: string) => instanceChoices(readAccept(header, undefined), RLELossless, false);
    const plain = { transferSyntaxUid: ExplicitVRLittleEndian, multipart: false };
    const asStored = { transferSyntaxUid: RLELossless, multipart: false };
    const one = 'application/dicom';
    expect(choices(one)).toEqual([plain, asStored]);
    for (const syntax of ['*', RLELossless])
      expect(choices(`${one}, ${one}; transfer-syntax=${syntax};q=0.5`)).toEqual([plain, asStored]);
    expect(choices(`${one}, ${one}; transfer-syntax=${RLELossless};q=0`)).toEqual([plain]);
    expect(choices(`${one}; ${byName}`)).toEqual([plain]);
  });
});
