import { readFileSync } from 'node:fs';
import { testDataPath } from '@callosum/testing';
import { describe, expect, it } from 'vitest';
import { attributesDigest, parseDataset, parseFile, toDicomJson, type DicomDataset } from './index.js';
import { toLittleEndian } from './parse/byte-order.js';

interface Encoding {
  readonly implicit: boolean;
  readonly big: boolean;
  readonly undefinedLengths: boolean;
}
const longForm = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);

/** An encoder for this test alone: the same dataset in any uncompressed encoding. */
function encode(dataset: DicomDataset, encoding: Encoding): Buffer {
  return Buffer.concat(
    [...dataset].map((element) => {
      const value = element.items
        ? encodeItems(element.items, encoding)
        : Buffer.from(encoding.big ? toLittleEndian(element.vr, element.value) : element.value);
      const length = element.items && encoding.undefinedLengths ? 0xffffffff : value.length;
      const tail = element.items && encoding.undefinedLengths ? number(0xfffee0dd, 0, encoding.big) : Buffer.alloc(0);
      return Buffer.concat([head(element.tag, element.vr, length, encoding), value, tail]);
    }),
  );
}

function encodeItems(items: readonly DicomDataset[], encoding: Encoding): Buffer {
  return Buffer.concat(
    items.map((item) => {
      const body = encode(item, encoding);
      if (!encoding.undefinedLengths) return Buffer.concat([number(0xfffee000, body.length, encoding.big), body]);
      return Buffer.concat([number(0xfffee000, 0xffffffff, encoding.big), body, number(0xfffee00d, 0, encoding.big)]);
    }),
  );
}

function number(tag: number, length: number, big: boolean): Buffer {
  const bytes = Buffer.alloc(8);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint16(0, tag >>> 16, !big);
  view.setUint16(2, tag & 0xffff, !big);
  view.setUint32(4, length, !big);
  return bytes;
}

function head(tag: string, vr: string, length: number, { implicit, big }: Encoding): Buffer {
  const start = number(parseInt(tag, 16), length, big);
  if (implicit) return start;
  const vrBytes = Buffer.from(vr, 'latin1');
  if (longForm.has(vr)) return Buffer.concat([start.subarray(0, 4), vrBytes, Buffer.alloc(2), start.subarray(4)]);
  const short = Buffer.alloc(2);
  new DataView(short.buffer, short.byteOffset).setUint16(0, length, !big);
  return Buffer.concat([start.subarray(0, 4), vrBytes, short]);
}

const encodings: readonly (readonly [string, string, Encoding])[] = [
  ['Implicit VR Little Endian', '1.2.840.10008.1.2', { implicit: true, big: false, undefinedLengths: false }],
  ['Implicit VR with undefined lengths', '1.2.840.10008.1.2', { implicit: true, big: false, undefinedLengths: true }],
  [
    'Explicit VR with undefined lengths',
    '1.2.840.10008.1.2.1',
    { implicit: false, big: false, undefinedLengths: true },
  ],
  ['Explicit VR Big Endian', '1.2.840.10008.1.2.2', { implicit: false, big: true, undefinedLengths: false }],
  ['Big Endian with undefined lengths', '1.2.840.10008.1.2.2', { implicit: false, big: true, undefinedLengths: true }],
];
/** Deep sequences, private attributes, and text in every script. */
const sources = [
  ['codecs', 'ct-explicit-le.dcm'],
  ['charsets', 'chrH32.dcm'],
  ['charsets', 'chrSQEncoding.dcm'],
  ['codecs', 'pydicom/emri_small_big_endian.dcm'],
  ['results', 'reference-highdicom/seg-lungs-binary.dcm'],
  ['results', 'reference-highdicom/sr-tid1500-lung-volume.dcm'],
  ['results', 'reference-highdicom/pr-lung-window.dcm'],
].flatMap((parts) => testDataPath(...parts) ?? []);

describe.skipIf(sources.length === 0)('one dataset in all uncompressed encodings', () => {
  it.each(encodings)(
    '%s: same digest, and the same DICOM JSON where the encoding names the VR',
    (_name, uid, encoding) => {
      for (const path of sources) {
        const original = parseFile(readFileSync(path));
        const again = parseDataset(encode(original.dataset, encoding), uid);
        expect(attributesDigest(again), path).toBe(attributesDigest(original));
        if (!encoding.implicit) expect(toDicomJson(again.dataset), path).toEqual(toDicomJson(original.dataset));
      }
    },
  );
});
