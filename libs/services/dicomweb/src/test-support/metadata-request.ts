import { type DicomJson, parseFile, toDicomJson } from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';

import { type StoreAnswer, StoreInstances, type StoreLimits } from '../application/store-instances.js';
import { MemoryIntake } from './memory-intake.js';
import { inChunks, multipart, type SentPart } from './multipart.js';
import { storeLimits } from './store-limits.js';

export const octets = 'application/octet-stream';
export const withMetadata = 'multipart/related; type="application/dicom+json"; boundary=b';

/** A CT as metadata, and its pixels. */
export function ct(
  uid: string,
  size = 4,
  more: DicomJson = {},
): { json: DicomJson; pixels: Uint8Array; file: Uint8Array } {
  const { bytes: file } = tinyCt({ SOPInstanceUID: uid, Rows: size, Columns: size });
  const { dataset, pixelData } = parseFile(file);
  const json = { ...toDicomJson(dataset, { bulkDataUri: () => `pixels/${uid}`, inlineBytesMax: 0 }), ...more };
  const { offset = 0, byteCount } = pixelData ?? {};
  return { json, pixels: file.subarray(offset, offset + (byteCount ?? 0)), file };
}

export const metadata = (...datasets: unknown[]): SentPart => ({
  headers: { 'Content-Type': 'application/dicom+json' },
  bytes: JSON.stringify(datasets),
});
export const bulk = (location: string, bytes: Uint8Array | string, type = octets, headers = {}): SentPart => ({
  headers: { 'Content-Type': type, 'Content-Location': location, ...headers },
  bytes,
});
/** With its Content-Length. */
export const stated = (location: string, bytes: Uint8Array | string, type = octets): SentPart =>
  bulk(location, bytes, type, { 'Content-Length': String(bytes.length) });

/** The header of a JPEG-LS code stream of 4 by 4 (ITU-T T.87 C.2), and behind it the text. */
export const jls = (text: string): Buffer =>
  Buffer.concat([Buffer.from('ffd8fff7000b080004000401011100ffda0008010100000000', 'hex'), Buffer.from(text)]);

export class Tried {
  readonly intake = new MemoryIntake();
  readonly stores: StoreInstances;

  constructor(limits: Partial<StoreLimits> = {}) {
    this.stores = new StoreInstances(this.intake, { ...storeLimits, ...limits }, (error) => {
      throw error;
    });
  }

  send(parts: readonly SentPart[], end?: string): Promise<StoreAnswer> {
    return this.post(inChunks(multipart('b', parts, end), 1_000), withMetadata);
  }

  post(body: AsyncIterable<Uint8Array>, contentType: string): Promise<StoreAnswer> {
    const request = { contentType, contentEncoding: '', studyInstanceUid: undefined, source: 'test', asker: undefined };
    return this.stores.store({ ...request, body, baseUrl: 'http://here/dicom-web' });
  }

  file(uid: string): Buffer | undefined {
    return this.intake.stored.find(({ object }) => object.sopInstanceUid === uid)?.bytes;
  }
}

export const reasons = ({ dataset }: StoreAnswer): unknown[] =>
  ['00081198', '0008119A'].flatMap((tag) =>
    (dataset[tag]?.Value ?? []).map((item) => {
      const one = item as DicomJson;
      return [one['00081155']?.Value?.[0] ?? '', one['00081197']?.Value?.[0]];
    }),
  );
