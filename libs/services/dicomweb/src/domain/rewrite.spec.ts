import { type DicomJson, parseFile, writeFile } from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';
import { describe, expect, it } from 'vitest';

import { asWritten } from './rewrite.js';

const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1');

describe('asWritten', () => {
  it('keeps every byte of every value: digits, character sets, private tags and nested items', () => {
    const item: DicomJson = { '00180050': { vr: 'DS', bytes: bytesOf('1.000000000000000010') } };
    const original: DicomJson = {
      ...asWritten(parseFile(tinyCt().bytes).dataset),
      '00080005': { vr: 'CS', bytes: bytesOf('ISO_IR 100') },
      '00090010': { vr: 'LO', bytes: bytesOf('CALLOSUM') },
      '00091001': { vr: 'UN', bytes: Uint8Array.of(1, 2, 3, 4) },
      '00100010': { vr: 'PN', bytes: bytesOf('M\u00fcller^Jo') },
      '00200032': { vr: 'DS', bytes: bytesOf('-64.66666412353516\\+1.50\\00.10 ') },
      '00400260': { vr: 'SQ', Value: [item, {}] },
    };
    const first = writeFile(original, { implementationClassUid: '2.25.1' });
    const again = writeFile(asWritten(parseFile(first).dataset), { implementationClassUid: '2.25.1' });
    expect(Buffer.from(again).equals(first)).toBe(true);
  });

  it('calls UN what is too long for its VR in explicit form', () => {
    const dataset = parseFile(tinyCt().bytes).dataset;
    const long = { tag: '00081030', vr: 'LO', value: new Uint8Array(70_000), range: { offset: 0, byteCount: 70_000 } };
    const json = asWritten(
      Object.assign(Object.create(dataset) as typeof dataset, { [Symbol.iterator]: () => [long][Symbol.iterator]() }),
    );
    expect(json['00081030']?.vr).toBe('UN');
  });
});
