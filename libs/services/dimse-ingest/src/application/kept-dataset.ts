import { storedDataset, type TranscodeSource } from '@callosum/dicom';
import type { DatasetSource } from '@callosum/dimse';

import type { KeptObjects } from './ports.js';

/** An object of the archive, as codecs read it. */
export const sourceOf = (objects: KeptObjects, blobKey: string): TranscodeSource => ({
  open: async (signal) => (await objects.open(blobKey, signal)) as AsyncIterable<Uint8Array>,
});

/** Its dataset as it is kept, byte for byte. */
export const asKept =
  (source: TranscodeSource): DatasetSource =>
  () =>
    buffers(storedDataset(source, undefined));

export async function* buffers(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, undefined> {
  for await (const { buffer, byteOffset, byteLength } of chunks) yield Buffer.from(buffer, byteOffset, byteLength);
}
