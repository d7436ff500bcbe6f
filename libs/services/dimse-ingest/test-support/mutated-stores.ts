import { deflateRawSync } from 'node:zlib';

import { type DicomJson, encodeDataset } from '@callosum/dicom';
import { type ProposedContext, ScuAssociation, type ScuOptions, statusText } from '@callosum/dimse';
import fc from 'fast-check';

import { dataset } from '../../../standards/dimse/test-support/objects.js';
import { mutate, mutation, uids } from './hostile.js';

// Objects whose bytes are wrong somewhere, in messages that are whole.

const explicitVrLittleEndian = '1.2.840.10008.1.2.1';
const deflatedSyntax = '1.2.840.10008.1.2.1.99';
const jpegBaseline = '1.2.840.10008.1.2.4.50';
/** One of each way to write a dataset (PS3.5 annex A). */
export const families = [
  '1.2.840.10008.1.2',
  explicitVrLittleEndian,
  '1.2.840.10008.1.2.2',
  deflatedSyntax,
  jpegBaseline,
] as const;
type Family = (typeof families)[number];

/** All families, each in a context of its own. */
export const familyContexts: readonly ProposedContext[] = families.map((uid) => ({
  abstractSyntaxUid: uids.ct,
  transferSyntaxUids: [uid],
}));

/** Not of a piece: what is deflated of it has blocks and codes to break. */
const pixels = Buffer.from(Array.from({ length: 6_000 }, (_, i) => (i * i * 31) >> 5));
const code = { '00080100': { vr: 'SH', Value: ['1'] }, '00080104': { vr: 'LO', Value: ['One'] } };
const attributes = (sopInstanceUid: string): DicomJson => ({
  '00080016': { vr: 'UI', Value: [uids.ct] },
  '00080018': { vr: 'UI', Value: [sopInstanceUid] },
  '00080060': { vr: 'CS', Value: ['CT'] },
  '00082218': { vr: 'SQ', Value: [{ ...code, '00082220': { vr: 'SQ', Value: [code] } }] },
  '00090010': { vr: 'LO', Value: ['ACME PRIVATE'] },
  '00091001': { vr: 'UN', bytes: Uint8Array.of(1, 2, 3, 254) },
  '00100020': { vr: 'LO', Value: ['NOBODY-1'] },
  '0020000D': { vr: 'UI', Value: ['1.2.3456'] },
  '0020000E': { vr: 'UI', Value: ['1.2.3456.1'] },
});
const ow = { '7FE00010': { vr: 'OW', bytes: pixels } };
/** Pixel Data of undefined length: an empty offset table, two fragments, the delimiter (PS3.5 A.4). */
const encapsulated = Buffer.concat([
  Buffer.from([0xe0, 0x7f, 0x10, 0x00, 0x4f, 0x42, 0, 0, 0xff, 0xff, 0xff, 0xff]),
  ...[Buffer.alloc(0), pixels.subarray(0, 2_000), pixels.subarray(2_000)].map((fragment) => {
    const head = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0]);
    head.writeUInt32LE(fragment.length, 4);
    return Buffer.concat([head, fragment]);
  }),
  Buffer.from([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]),
]);

function written(family: Family, sopInstanceUid: string): Buffer {
  const plain = family === deflatedSyntax || family === jpegBaseline ? explicitVrLittleEndian : family;
  const json = attributes(sopInstanceUid);
  const isEncapsulated = family === jpegBaseline;
  const { bytes } = encodeDataset(isEncapsulated ? json : { ...json, ...ow }, { transferSyntaxUid: plain });
  return isEncapsulated ? Buffer.concat([bytes, encapsulated]) : Buffer.from(bytes);
}

export const mutatedStore = fc.record({
  family: fc.constantFrom(...families),
  mutations: fc.array(mutation, { maxLength: 4 }),
  /** Attributes are less than a tenth of the bytes, and most of what can be wrong. */
  inHeader: fc.boolean(),
  /** Of a deflated one: its attributes and pixels, or what they are deflated to. */
  beforeDeflating: fc.boolean(),
  cut: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 6 }),
  /** Bytes that come at once. */
  pieceBytes: fc.constantFrom(1_000, 100_000),
});
export type MutatedStore = typeof mutatedStore extends fc.Arbitrary<infer T> ? T : never;

/** What is sent for it: an even number of bytes, as in each message. */
export function bytesOf(sample: MutatedStore, sopInstanceUid: string): Buffer {
  const { family, mutations, inHeader, beforeDeflating, cut } = sample;
  const isDeflated = family === deflatedSyntax;
  const places = inHeader ? mutations.map(({ at, byte }) => ({ at: at / 15, byte })) : mutations;
  let bytes = written(family, sopInstanceUid);
  if (!isDeflated || beforeDeflating) bytes = mutate(bytes, places);
  if (isDeflated) bytes = deflateRawSync(bytes);
  if (isDeflated && !beforeDeflating) bytes = mutate(bytes, places);
  if (cut !== null) bytes = bytes.subarray(0, Math.floor(cut * bytes.length));
  return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]);
}

export async function* piecesOf(bytes: Buffer, pieceBytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += pieceBytes)
    yield await Promise.resolve(bytes.subarray(at, at + pieceBytes));
}

/** Nothing is answered later than this, however much goes wrong beside it. */
export const answerMs = 5_000;
const pauseMs = 50;

/**
 * Stores one object after the other over one association until it is told to stop, which rejects where an answer was
 * late or the association was cut off.
 * @returns what was refused, as statuses, and how many were kept
 */
export async function startStoring(
  to: ScuOptions,
  nextUid: () => string,
): Promise<{ stop(): Promise<{ refused: string[]; kept: number }> }> {
  const context = { abstractSyntaxUid: uids.ct, transferSyntaxUids: [explicitVrLittleEndian] };
  const association = await ScuAssociation.open({ ...to, timeouts: { responseMs: answerMs } }, [context]);
  const outcome = { refused: [] as string[], kept: 0 };
  let isGoing = true;
  const work = (async () => {
    while (isGoing) {
      const sopInstanceUid = nextUid();
      const bytes = dataset({ sopInstanceUid, studyInstanceUid: '1.2.9', pixelBytes: 20_000 });
      const { status } = await association.store(1, uids.ct, sopInstanceUid, () => piecesOf(bytes, 10_000));
      if (status === 0) outcome.kept++;
      else outcome.refused.push(statusText(status));
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  })();
  // It is waited for when it is told to stop.
  work.catch(() => undefined);
  return {
    stop: async () => {
      isGoing = false;
      await work;
      await association.release();
      return outcome;
    },
  };
}
