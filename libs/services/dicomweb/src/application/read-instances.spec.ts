import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { ByteBudget } from '@callosum/archive';
import {
  decodeFrames,
  ExplicitVRLittleEndian,
  implementationClassUid,
  parseFile,
  RLELossless,
  transcode,
} from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';
import { describe, expect, it } from 'vitest';

import { readAccept } from '../domain/accept.js';
import { NotAcceptableError } from '../domain/errors.js';
import type { KeptInstance, KeptInstances } from './ports.js';
import { ReadInstances } from './read-instances.js';
import { Retrieves } from './retrieves.js';

const ct = tinyCt();
const video = '1.2.840.10008.1.2.4.102';

/** The CT in another syntax. */
async function inSyntax(transferSyntaxUid: string): Promise<Uint8Array> {
  const source = { open: () => Readable.from([ct.bytes], { objectMode: false }) };
  const transcoding = await transcode(source, { to: transferSyntaxUid });
  return buffer(Readable.from(transcoding.file({ implementationClassUid }), { objectMode: false }));
}

const keptOf = (bytes: Uint8Array, transferSyntaxUid: string): KeptInstances & { readonly instance: KeptInstance } => {
  const instance = { ...ct, transferSyntaxUid, blobKey: 'blob', byteCount: bytes.length };
  return {
    instance,
    locate: () => Promise.resolve([instance]),
    open: () => Promise.resolve(Readable.from([bytes], { objectMode: false })),
  };
};

const retrieve = () => new Retrieves(new ByteBudget(1), { requestsMax: 1, memoryWaitMs: 0 }).begin();
const answer = async (kept: ReturnType<typeof keptOf>, accept: string) => {
  const [body] = await new ReadInstances(kept).read(kept.instance, readAccept(accept, undefined), retrieve());
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

  it('is given in the best syntax it can be had in, or not at all', async () => {
    const native = keptOf(ct.bytes, ExplicitVRLittleEndian);
    for (const no of ['1.2.840.10008.1.2.4.50', '1.2.840.10008.1.2', '1.2.840.10008.1.2.2', '1.2.3'])
      await expect(answer(native, `application/dicom; transfer-syntax=${no}`)).rejects.toBeInstanceOf(
        NotAcceptableError,
      );
    const accept = `application/dicom; transfer-syntax=${video}, application/dicom; transfer-syntax=${RLELossless};q=0.5`;
    expect(await answer(native, accept)).toMatchObject({ is: RLELossless });
  });
});
