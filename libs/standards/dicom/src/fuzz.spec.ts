import { readFileSync } from 'node:fs';
import { testDataPath } from '@callosum/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DicomParseError,
  datasetOf,
  instanceGeometry,
  parseFile,
  parseHeader,
  toDicomJson,
  writeFile,
} from './index.js';

const item = {
  ReferencedSOPInstanceUID: '1.2.3',
  PatientName: 'A^B',
  ReferencedImageSequence: [{ ReferencedSOPInstanceUID: '1.2.4' }],
};
const seeds = [
  writeFile(
    datasetOf({
      SOPClassUID: '1.2.3',
      SOPInstanceUID: '1.2.3.4',
      ReferencedImageSequence: [item, item],
      Rows: 2,
      Columns: 2,
      PixelData: new Uint8Array(8),
    }),
    { implementationClassUid: '1.2.3' },
  ),
  ...[
    'codecs/ct-implicit-le.dcm',
    'codecs/mr-explicit-be.dcm',
    'codecs/ct-mf-fragments-bot.dcm',
    'charsets/chrH32.dcm',
    'codecs/mr-deflated.dcm',
  ].flatMap((name) => {
    const path = testDataPath(name);
    // The header is what the parser walks; 6 KiB hold it and some of the pixels.
    return path === undefined ? [] : [readFileSync(path).subarray(0, name.includes('deflated') ? undefined : 6144)];
  }),
];
const mutation = fc.record({
  at: fc.double({ min: 0, max: 0.999999, noNaN: true }),
  byte: fc.oneof(fc.constantFrom(0, 0xff, 0x7f, 0x80), fc.nat(255)),
});
const runs = Number(process.env['CALLOSUM_FUZZ_RUNS'] ?? 400);

describe('mutated headers', () => {
  it('are read or refused with DicomParseError, never anything else, never for long', () => {
    fc.assert(
      fc.property(
        fc.nat(seeds.length - 1),
        fc.array(mutation, { minLength: 1, maxLength: 8 }),
        fc.boolean(),
        (which, mutations, complete) => {
          const bytes = Uint8Array.from(seeds[which] ?? []);
          for (const { at, byte } of mutations) bytes[132 + Math.floor(at * (bytes.length - 132))] = byte;
          const started = Date.now();
          try {
            const header = parseHeader(bytes, { complete });
            if (header !== 'need-more') {
              toDicomJson(header.dataset, { bulkDataUri: (path) => path });
              instanceGeometry(header.dataset);
            }
            parseFile(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(DicomParseError);
          }
          expect(Date.now() - started).toBeLessThan(10_000);
        },
      ),
      { seed: 20261122, numRuns: runs },
    );
  });
});
