import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';

import { testDataPath } from '@callosum/testing';
import { describe, expect, it } from 'vitest';

import {
  DeflatedExplicitVRLittleEndian,
  ExplicitVRLittleEndian,
  implementationClassUid,
  parseHeader,
  type ParsedHeader,
  readHeader,
  toDicomJson,
  writeFileMeta,
} from './index.js';

const folder = testDataPath();
const files = folder
  ? readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.dcm') && !/malformed/.test(entry.parentPath))
      .map(({ parentPath, name }) => join(parentPath, name))
  : [];
/** One study is many files of one kind. */
const someOfEach = files.filter((file, i) => i % 4 === 0 || file.includes('codecs') || file.includes('charsets'));

const reading = (bytes: Uint8Array) => (offset: number, byteCount: number) =>
  Promise.resolve(bytes.subarray(offset, offset + byteCount));
const jsonOf = ({ dataset }: ParsedHeader): object =>
  toDicomJson(dataset, { bulkDataUri: (path) => path, inlineBytesMax: 64 * 1024 });
const bulkBytes = 1_500_000;

/** A private value before all others, of more bytes than a header that is parsed at once. */
function withBulk(bytes: Uint8Array, { datasetOffset, transferSyntax }: ParsedHeader): Buffer {
  const { implicitVr, bigEndian } = transferSyntax;
  const head = Buffer.alloc(implicitVr ? 8 : 12);
  const at = implicitVr ? 4 : 8;
  if (!implicitVr) head.write('OB', 4, 'latin1');
  if (bigEndian) {
    head.writeUInt16BE(5, 0);
    head.writeUInt16BE(0x1001, 2);
    head.writeUInt32BE(bulkBytes, at);
  } else {
    head.writeUInt16LE(5, 0);
    head.writeUInt16LE(0x1001, 2);
    head.writeUInt32LE(bulkBytes, at);
  }
  return Buffer.concat([
    bytes.subarray(0, datasetOffset),
    head,
    Buffer.alloc(bulkBytes),
    bytes.subarray(datasetOffset),
  ]);
}

describe.skipIf(folder === undefined)('the header of each file of the test data', () => {
  let walked = 0;
  let inflated = 0;

  it('is the same read piece by piece as at once', async () => {
    for (const file of someOfEach) {
      const bytes = readFileSync(file);
      let header;
      try {
        header = parseHeader(bytes, { complete: true });
      } catch {
        continue;
      }
      if (header === 'need-more' || header.transferSyntax.deflated) continue;
      // Some state another encoding than theirs: the element put before them would be in the stated one.
      const long = withBulk(bytes, header);
      const { '00051001': bulk, ...json } = jsonOf(await readHeader(reading(long), long.length)) as Record<
        string,
        object
      >;
      const atOnce = parseHeader(long, { complete: true }) as ParsedHeader;
      const { '00051001': _, ...expected } = jsonOf(atOnce) as Record<string, object>;
      expect(bulk, file).toMatchObject({ BulkDataURI: '00051001' });
      expect(json, file).toEqual(expected);
      expect((await readHeader(reading(long), long.length)).pixelData, file).toEqual(atOnce.pixelData);
      walked++;
      if (header.fileMeta.transferSyntaxUid !== ExplicitVRLittleEndian) continue;
      const { mediaStorageSopClassUid: sopClassUid, mediaStorageSopInstanceUid: sopInstanceUid } = header.fileMeta;
      const uids = { sopClassUid, sopInstanceUid, implementationClassUid };
      const deflated = Buffer.concat([
        writeFileMeta({ ...uids, transferSyntaxUid: DeflatedExplicitVRLittleEndian }),
        deflateRawSync(bytes.subarray(header.datasetOffset)),
      ]);
      const toTheEnd = await readHeader(reading(deflated), deflated.length, { toTheEnd: true });
      expect(jsonOf(toTheEnd), file).toEqual(jsonOf(header));
      inflated++;
    }
    expect(walked).toBeGreaterThan(100);
    expect(inflated).toBeGreaterThan(30);
  });
});
