import { buffer } from 'node:stream/consumers';

import {
  DeflatedExplicitVRLittleEndian,
  ExplicitVRLittleEndian,
  HTJ2KLossless,
  ImplicitVRLittleEndian,
  JPEG2000Lossless,
  JPEGLSLossless,
  parseFile,
  RLELossless,
} from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { readAccept } from '../domain/accept.js';
import { NotAcceptableError } from '../domain/errors/door.js';
import { Blob, datasetOf, fileOf, type Image, inSyntax, memoryOf, samples } from '../test-support/kept.js';
import { ReadInstances } from './read-instances.js';

const grey: Image = { rows: 4, columns: 4, frames: 1, bitsAllocated: 16, vr: 'OW', pixels: samples(32) };
/** Three frames of 20 bits. */
const bits: Image = { rows: 4, columns: 5, frames: 3, bitsAllocated: 1, vr: 'OB', pixels: samples(8) };
const floats: Image = { ...grey, bitsAllocated: 32, vr: 'OF', tag: '7FE00008', pixels: samples(64) };
const words: Image = { ...grey, bitsAllocated: 32, vr: 'OW', pixels: samples(64) };
const { '7FE00010': _, ...withoutPixels } = datasetOf(grey);
const report = new Blob(fileOf(withoutPixels)).bytes;

const file = (image: Image): Uint8Array => fileOf(datasetOf(image));
const asking = (...uids: string[]): string =>
  uids.map((uid) => `multipart/related; type="application/dicom"; transfer-syntax=${uid}`).join();

interface Given {
  readonly bytes: Uint8Array;
  readonly stored?: string;
}

/** A study of them, and the instance that is each of them. */
function study(...given: readonly Given[]) {
  const blobs = given.map(
    ({ bytes, stored = ExplicitVRLittleEndian }, at) =>
      new Blob(bytes, stored, { blobKey: String(at), sopInstanceUid: `1.4.${String(at)}` }),
  );
  const opened: string[] = [];
  const read = new ReadInstances({
    locate: ({ sopInstanceUid: asked }) =>
      Promise.resolve(
        blobs.map(({ instance }) => instance).filter((one) => (asked ?? one.sopInstanceUid) === one.sopInstanceUid),
      ),
    open: (key, signal, range) => {
      opened.push(key);
      return (blobs[Number(key)] as Blob).open(key, signal, range);
    },
  });
  const ask = async (accept: string, sopInstanceUid?: string) => {
    const [first] = blobs;
    const { studyInstanceUid, seriesInstanceUid } = (first as Blob).instance;
    const selection =
      sopInstanceUid === undefined ? { studyInstanceUid } : { studyInstanceUid, seriesInstanceUid, sopInstanceUid };
    return read.bodies(await read.wanted(selection, readAccept(accept, undefined)), memoryOf());
  };
  /** What each of them says it is, and is. */
  const syntaxes = async (accept: string): Promise<string[]> => {
    const found: string[] = [];
    for (const { make } of await ask(accept)) {
      const { transferSyntaxUid, open } = await make();
      expect(parseFile(await buffer(await open())).transferSyntax.uid).toBe(transferSyntaxUid);
      found.push(transferSyntaxUid);
    }
    return found;
  };
  return { ask, opened, syntaxes };
}

describe('among several instances, one whose pixels the syntax asked for cannot hold', () => {
  it.each([JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless])('leaves uncompressed (%s)', async (uid) => {
    const { syntaxes } = study(...[grey, bits, floats, words].map((image) => ({ bytes: file(image) })), {
      bytes: report,
    });
    expect(await syntaxes(asking(uid))).toEqual([uid, ...new Array<string>(4).fill(ExplicitVRLittleEndian)]);
  });

  it.each([ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless])(
    'leaves uncompressed however it is stored, with the same pixels (%s)',
    async (stored) => {
      // RLE holds words of 32 bits, JPEG-LS does not; single bits in none of them.
      const image = stored === RLELossless ? words : bits;
      const { ask } = study({ bytes: await inSyntax(file(image), stored), stored }, { bytes: file(grey) });
      const [first] = await ask(asking(JPEGLSLossless));
      const { transferSyntax, dataset } = parseFile(await buffer((await (await first?.make())?.open()) as never));
      expect(transferSyntax.uid).toBe(ExplicitVRLittleEndian);
      expect(dataset.bytes('PixelData')).toEqual(parseFile(file(image)).dataset.bytes('PixelData'));
    },
  );

  it('leaves in the first syntax that is accepted and holds it, before that', async () => {
    const { syntaxes } = study({ bytes: file(grey) }, { bytes: file(words) });
    expect(await syntaxes(asking(JPEGLSLossless, RLELossless))).toEqual([JPEGLSLossless, RLELossless]);
  });

  it('is no reason to give any, where none can be had as asked: the answer says which cannot', async () => {
    for (const images of [[bits], [bits, floats]]) {
      const { ask } = study(...images.map((image) => ({ bytes: file(image) })), { bytes: report });
      await expect(ask(asking(JPEGLSLossless))).rejects.toThrow(NotAcceptableError);
      await expect(ask(asking(JPEGLSLossless))).rejects.toThrow('1.4.0 ');
    }
  });

  it('is looked behind until one is found that can be had, which may be after very many', async () => {
    const many = Array.from({ length: 80 }, () => ({ bytes: file(bits) }));
    const mixed = study(...many, { bytes: file(grey) });
    expect(await mixed.syntaxes(asking(JPEGLSLossless))).toEqual([
      ...many.map(() => ExplicitVRLittleEndian),
      JPEGLSLossless,
    ]);
    await expect(study(...many).ask(asking(JPEGLSLossless))).rejects.toThrow(NotAcceptableError);
    // One that is stored so is known without a look.
    const stored = study(
      { bytes: file(bits) },
      { bytes: await inSyntax(file(grey), JPEGLSLossless), stored: JPEGLSLossless },
    );
    await stored.ask(asking(JPEGLSLossless));
    expect(stored.opened).not.toContain('1');
  });

  it('is refused by itself, where uncompressed is refused, and where no encoder writes the syntax', async () => {
    const { ask } = study({ bytes: file(grey) }, { bytes: file(bits) });
    await expect(ask(asking(JPEGLSLossless), '1.4.1')).rejects.toThrow('1.4.1 ');
    const refusing = `${asking(JPEGLSLossless)}, application/dicom; transfer-syntax=${ExplicitVRLittleEndian};q=0`;
    await expect(ask(refusing)).rejects.toThrow('1.4.1 ');
    const lossy = '1.2.840.10008.1.2.4.50';
    const beside = study({ bytes: file(grey), stored: lossy }, { bytes: file(grey) });
    await expect(beside.ask(asking(lossy))).rejects.toThrow('1.4.1 ');
  });
});
