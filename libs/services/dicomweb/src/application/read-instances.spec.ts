import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { ByteBudget } from '@callosum/archive';
import {
  decodeFrames,
  ExplicitVRBigEndian,
  ExplicitVRLittleEndian,
  imagePixel,
  implementationClassUid,
  ImplicitVRLittleEndian,
  JPEGLSLossless,
  parseFile,
  RLELossless,
  toDicomJson,
  transcode,
  writeFile,
} from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';
import { describe, expect, it, vi } from 'vitest';

import { readAccept } from '../domain/accept.js';
import { NotAcceptableError } from '../domain/errors/door.js';
import { MemoryTakenError } from '../domain/errors/retrieve.js';
import { Blob, datasetOf, fileOf, inSyntax as objectIn, memoryOf, samples } from '../test-support/kept.js';
import type { KeptInstances } from './ports/archive.js';
import type { RetrieveMemory } from './ports/memory.js';
import { type InstanceBody, ReadInstances } from './read-instances.js';
import { Retrieves } from './retrieves.js';

const ct = tinyCt();
const video = '1.2.840.10008.1.2.4.102';

/** The CT in another syntax. */
async function inSyntax(transferSyntaxUid: string): Promise<Uint8Array> {
  const source = { open: () => Readable.from([ct.bytes], { objectMode: false }) };
  const transcoding = await transcode(source, { to: transferSyntaxUid });
  return buffer(Readable.from(transcoding.file({ implementationClassUid }), { objectMode: false }));
}

/** Its code stream says nothing. */
function broken(): Uint8Array {
  const image = { rows: 8, columns: 8, frames: 1, bitsAllocated: 16, vr: 'OW', pixels: samples(128) };
  const fragments = [new Uint8Array(0), samples(100)];
  return fileOf({ ...datasetOf(image), '7FE00010': { vr: 'OB', fragments } }, JPEGLSLossless);
}

const beginning = async (body: InstanceBody): Promise<InstanceBody> => (await body.begin?.()) ?? body;

const keptOf = (bytes: Uint8Array, transferSyntaxUid: string) => new Blob(bytes, transferSyntaxUid);

const retrieve = () => new Retrieves(new ByteBudget(1), { requestsMax: 1, memoryWaitMs: 0 }).begin();
/** The only one. */
async function bodyOf(kept: ReturnType<typeof keptOf>, accept: string) {
  const instances = new ReadInstances(kept);
  const [one] = await instances.bodies(
    await instances.wanted(kept.instance, readAccept(accept, undefined)),
    retrieve(),
  );
  return one?.make();
}
const answer = async (kept: ReturnType<typeof keptOf>, accept: string) => {
  const body = await bodyOf(kept, accept);
  const file = parseFile(await buffer((await body?.open()) as Readable));
  return { said: body?.transferSyntaxUid, is: file.transferSyntax.uid, frames: await decodeFrames(file) };
};

describe('an instance', () => {
  it('is given in the syntax that is asked for, or in Explicit VR Little Endian, with the same pixels', async () => {
    const frames = await decodeFrames(ct.bytes);
    const rle = keptOf(await inSyntax(RLELossless), RLELossless);
    for (const [accept, uid] of [
      ['application/dicom', ExplicitVRLittleEndian],
      ['application/dicom; transfer-syntax=*', RLELossless],
      [`application/dicom; transfer-syntax=${ExplicitVRLittleEndian}`, ExplicitVRLittleEndian],
    ] as const)
      expect(await answer(rle, accept)).toEqual({ said: uid, is: uid, frames });
    const native = keptOf(ct.bytes, ExplicitVRLittleEndian);
    const compressed = await answer(native, `application/dicom; transfer-syntax=${RLELossless}`);
    expect(compressed).toEqual({ said: RLELossless, is: RLELossless, frames });
  });

  it.each([ImplicitVRLittleEndian, ExplicitVRBigEndian])(
    'that is stored in %s leaves in Explicit VR Little Endian, as it is stored too',
    async (stored) => {
      const frames = await decodeFrames(ct.bytes);
      const kept = keptOf(await inSyntax(stored), stored);
      for (const accept of ['application/dicom', 'application/dicom; transfer-syntax=*'])
        expect(await answer(kept, accept)).toEqual({
          said: ExplicitVRLittleEndian,
          is: ExplicitVRLittleEndian,
          frames,
        });
      await expect(answer(kept, `application/dicom; transfer-syntax=${stored}`)).rejects.toBeInstanceOf(
        NotAcceptableError,
      );
    },
  );

  it('is given in the best syntax it can be had in, or not at all', async () => {
    const native = keptOf(ct.bytes, ExplicitVRLittleEndian);
    for (const no of ['1.2.840.10008.1.2.4.50', '1.2.840.10008.1.2', '1.2.840.10008.1.2.2', '1.2.3'])
      await expect(answer(native, `application/dicom; transfer-syntax=${no}`)).rejects.toBeInstanceOf(
        NotAcceptableError,
      );
    const accept = `application/dicom; transfer-syntax=${video}, application/dicom; transfer-syntax=${RLELossless};q=0.5`;
    expect(await answer(native, accept)).toMatchObject({ is: RLELossless });
  });

  it('is given as it is stored where it has no other form and no syntax is named', async () => {
    const { '7FE00010': _, ...attributes } = toDicomJson(parseFile(ct.bytes).dataset, { omitBulkData: true });
    const stream = { vr: 'OB', fragments: [new Uint8Array(), Uint8Array.of(0, 0, 1, 9)] };
    const file = writeFile({ ...attributes, '7FE00010': stream }, { implementationClassUid, transferSyntaxUid: video });
    const stored = keptOf(file, video);
    const read = (accept: string) => bodyOf(stored, accept);
    expect(await read('*/*')).toMatchObject({ transferSyntaxUid: video, multipart: true });
    expect(await read('application/dicom')).toMatchObject({ transferSyntaxUid: video, multipart: false });
    await expect(read(`application/dicom; transfer-syntax=${ExplicitVRLittleEndian}`)).rejects.toBeInstanceOf(
      NotAcceptableError,
    );
  });

  it('knows its length, and is read in parts, where it leaves as it is stored', async () => {
    const rle = keptOf(await inSyntax(RLELossless), RLELossless);
    const stored = await bodyOf(rle, 'application/dicom; transfer-syntax=*');
    expect(stored?.byteCount).toBe(rle.instance.byteCount);
    await stored?.open({ first: 7, last: 9 });
    expect(rle.opened.at(-1)).toEqual({ offset: 7, length: 3 });
    expect((await bodyOf(rle, 'application/dicom'))?.byteCount).toBeUndefined();
  });
});

describe('the frames of an instance that is transcoded', () => {
  const asked = (kept: Blob, accept = 'application/dicom') => {
    const instances = new ReadInstances(kept);
    return async (memory: RetrieveMemory) => {
      const [one] = await instances.bodies(
        await instances.wanted(kept.instance, readAccept(accept, undefined)),
        memory,
      );
      return one?.make();
    };
  };

  it('are held while they are worked on, and those of what is copied are not', async () => {
    const memory = memoryOf();
    const body = await asked(keptOf(await inSyntax(RLELossless), RLELossless))(memory);
    await buffer((await body?.open()) as Readable);
    const { rows = 0, columns = 0 } = imagePixel(parseFile(ct.bytes).dataset);
    // One in work, its code stream and a copy; then the frame, until a client has taken it.
    expect(memory.held).toEqual([3 * rows * columns * 2, rows * columns * 2]);
    for (const stored of [ExplicitVRLittleEndian, ImplicitVRLittleEndian]) {
      const none = memoryOf();
      const body = await asked(keptOf(await inSyntax(stored), stored))(none);
      await buffer((await body?.open()) as Readable);
      expect(none.held).toEqual([]);
    }
  });

  it('wait for their memory, and the first is made, before the answer begins', async () => {
    const budget = new ByteBudget(1_000);
    const giveBack = await budget.take(1_000);
    const kept = keptOf(await inSyntax(RLELossless), RLELossless);
    const one = new Retrieves(budget, { requestsMax: 2, memoryWaitMs: 20 });
    await expect(asked(kept)(one.begin())).rejects.toBeInstanceOf(MemoryTakenError);
    giveBack();
    const other = await (await asked(kept)(one.begin()))?.open();
    expect(await decodeFrames(await buffer(other as Readable))).toEqual(await decodeFrames(ct.bytes));
  });

  it('that are broken are no broken answer: it leaves as it is stored, or does not begin', async () => {
    const file = broken();
    const kept = keptOf(file, JPEGLSLossless);
    for (const accept of ['application/dicom', '*/*']) {
      const memory = memoryOf();
      const body = await asked(kept, accept)(memory);
      // Copied, it needs none of what its frames would have.
      expect([memory.held.length, memory.held.at(-1)]).toEqual([2, 0]);
      expect(body).toMatchObject({ transferSyntaxUid: JPEGLSLossless, byteCount: file.length });
      expect(await buffer((await body?.open()) as Readable)).toEqual(Buffer.from(file));
    }
    const byName = `application/dicom; transfer-syntax=${ExplicitVRLittleEndian}`;
    await expect(asked(kept, byName)(memoryOf())).rejects.toBeInstanceOf(NotAcceptableError);
    const refused = `application/dicom, application/dicom; transfer-syntax=${JPEGLSLossless};q=0`;
    await expect(asked(kept, refused)(memoryOf())).rejects.toBeInstanceOf(NotAcceptableError);
  });

  it('are closed where nobody reads what was begun', async () => {
    // Many more than are begun before the first is taken: the source is not at its end.
    const pixels = samples(40 * 128 * 128 * 2);
    const image = { rows: 128, columns: 128, frames: 40, bitsAllocated: 16, vr: 'OW', pixels };
    const blob = new Blob(await objectIn(fileOf(datasetOf(image)), RLELossless), RLELossless);
    const opened: Readable[] = [];
    const open = blob.open.bind(blob);
    blob.open = async (...what) => {
      opened.push(await open(...what));
      return opened.at(-1) as Readable;
    };
    const closed = () =>
      vi.waitFor(() => expect(opened.map(({ destroyed }) => destroyed)).toEqual(opened.map(() => true)));
    const body = await (await asked(blob)(memoryOf()))?.open();
    body?.destroy();
    await closed();
    expect(opened.length).toBeGreaterThan(1);
    // As for HEAD, which opens nothing of what was begun.
    const one = new Retrieves(new ByteBudget(64 * 1024 * 1024), { requestsMax: 1, memoryWaitMs: 0 }).begin();
    await asked(blob)(one);
    one.end();
    await closed();
  });
});

describe('several instances', () => {
  const kept = async (uids: readonly string[]) => {
    const all = await Promise.all(
      uids.map(async (uid, at) => new Blob(await inSyntax(uid), uid, { blobKey: `${String(at)} ${uid}` })),
    );
    const opened: string[] = [];
    const instances = all.map(({ instance }) => instance);
    const store: KeptInstances = {
      locate: () => Promise.resolve(instances),
      open: (key, signal) => {
        opened.push(key);
        const blob = all.find(({ instance }) => instance.blobKey === key);
        return blob ? blob.open(key, signal) : Promise.reject(new Error('no such blob'));
      },
    };
    return { store, opened, read: new ReadInstances(store) };
  };
  const study = { studyInstanceUid: ct.studyInstanceUid };
  const wanted = (read: ReadInstances, accept: string) => read.wanted(study, readAccept(accept, undefined));

  it('are each looked at when its turn comes, but the first', async () => {
    const { read, opened } = await kept([RLELossless, RLELossless, ExplicitVRLittleEndian, ImplicitVRLittleEndian]);
    const bodies = await read.bodies(await wanted(read, '*/*'), retrieve());
    // Once for its header, and once more for its first frame.
    expect(opened).toEqual([`0 ${RLELossless}`, `0 ${RLELossless}`]);
    for (const { make } of bodies) {
      const file = parseFile(await buffer(await (await beginning(await make())).open()));
      expect(file.transferSyntax.uid).toBe(ExplicitVRLittleEndian);
    }
  });

  it('that have to be encoded are looked at, some of them, and nothing is kept of them', async () => {
    const many = await kept([RLELossless, ...Array.from({ length: 80 }, () => ExplicitVRLittleEndian)]);
    const asked = `multipart/related; type="application/dicom"; transfer-syntax=${JPEGLSLossless}`;
    const bodies = await many.read.bodies(await wanted(many.read, asked), retrieve());
    // The first, twice, and 64 of the others.
    expect(many.opened).toHaveLength(66);
    const last = await bodies.at(-1)?.make();
    expect(many.opened).toHaveLength(67);
    const file = parseFile(await buffer((await last?.open()) as Readable));
    expect(file.transferSyntax.uid).toBe(JPEGLSLossless);
    expect(await decodeFrames(file)).toEqual(await decodeFrames(ct.bytes));
  });

  it('among which one has no pixels: it leaves uncompressed, where that is not refused, and by itself it is', async () => {
    const { '7FE00010': _, ...report } = toDicomJson(parseFile(ct.bytes).dataset, { omitBulkData: true });
    const files = [ct.bytes, writeFile(report, { implementationClassUid, transferSyntaxUid: ExplicitVRLittleEndian })];
    const blobs = files.map((bytes, at) => new Blob(bytes, ExplicitVRLittleEndian, { blobKey: String(at) }));
    const read = new ReadInstances({
      locate: ({ sopInstanceUid }) =>
        Promise.resolve(blobs.map(({ instance }) => instance).slice(sopInstanceUid === undefined ? 0 : 1)),
      open: (key, signal, range) => (blobs[Number(key)] as Blob).open(key, signal, range),
    });
    const asked = `multipart/related; type="application/dicom"; transfer-syntax=${JPEGLSLossless}`;
    const bodies = await read.bodies(await wanted(read, asked), retrieve());
    const syntaxes = await Promise.all(bodies.map(async ({ make }) => (await make()).transferSyntaxUid));
    expect(syntaxes).toEqual([JPEGLSLossless, ExplicitVRLittleEndian]);
    const plain = parseFile(await buffer((await (await bodies[1]?.make())?.open()) as Readable));
    expect(plain.transferSyntax.uid).toBe(ExplicitVRLittleEndian);
    const unknown = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.3';
    await expect(read.bodies(await wanted(read, unknown), retrieve())).rejects.toBeInstanceOf(NotAcceptableError);
    const refusing = `${asked}, application/dicom; transfer-syntax=${ExplicitVRLittleEndian};q=0`;
    await expect(read.bodies(await wanted(read, refusing), retrieve())).rejects.toBeInstanceOf(NotAcceptableError);
    const alone = await read.wanted({ ...study, sopInstanceUid: ct.sopInstanceUid }, readAccept(asked, undefined));
    await expect(read.bodies(alone, retrieve())).rejects.toBeInstanceOf(NotAcceptableError);
  });

  it('are refused before the answer begins where one of them cannot be encoded as asked', async () => {
    const { read } = await kept([ExplicitVRLittleEndian, ExplicitVRLittleEndian]);
    const asked = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50';
    await expect(read.bodies(await wanted(read, asked), retrieve())).rejects.toBeInstanceOf(NotAcceptableError);
    await expect(wanted(read, 'application/dicom')).rejects.toBeInstanceOf(NotAcceptableError);
  });
});
