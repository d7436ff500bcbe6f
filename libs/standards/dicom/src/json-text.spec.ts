import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { type DicomJson, type DicomJsonElement, dicomJsonText, DicomWriteError } from './index.js';

/** The tags of each dataset in a text, in the order they stand there: no object of JavaScript in between. */
const tagsIn = (text: string): string[] => [...text.matchAll(/"([0-9A-F]{8})":\{/g)].map(([, tag]) => tag ?? '');

const tag = fc.oneof(
  fc.constantFrom('00080005', '0020000D', '10000010', '52009229', '54000100', '60003000', '7FE00010', 'FFFCFFFC'),
  fc.nat({ max: 0xffffffff }).map((value) => value.toString(16).toUpperCase().padStart(8, '0')),
);
const leaves: readonly DicomJsonElement[] = [
  { vr: 'LO', Value: ['a "quoted" \\ value', null] },
  { vr: 'LO' },
  { vr: 'PN', Value: [{ Alphabetic: 'Doe^Jane', Ideographic: '中' }] },
  { vr: 'FD', Value: [0.1, 'NaN'] },
  { vr: 'OW', BulkDataURI: '/dicom-web/x' },
  { vr: 'OB', InlineBinary: 'AAE=' },
  { vr: 'SQ' },
];
const { dataset } = fc.letrec<{ dataset: DicomJson }>((tie) => ({
  dataset: fc.dictionary(
    tag,
    fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.constantFrom(...leaves),
      fc.array(tie('dataset'), { maxLength: 3 }).map((items): DicomJsonElement => ({ vr: 'SQ', Value: items })),
    ),
    { maxKeys: 6, noNullPrototype: true },
  ),
}));

describe('dicomJsonText (PS3.18 F.2.2)', () => {
  it('lists attributes in ascending order, as JSON.stringify does not', () => {
    const json: DicomJson = {
      '00080005': { vr: 'CS', Value: ['ISO_IR 192'] },
      '0020000D': { vr: 'UI', Value: ['2.25.1'] },
      '52009229': { vr: 'SQ', Value: [{ '60003000': { vr: 'OW' }, '00280010': { vr: 'US', Value: [1] } }] },
      '54000100': { vr: 'SQ' },
      '7FE00010': { vr: 'OW', BulkDataURI: '/x' },
    };
    expect(tagsIn(JSON.stringify(json)).slice(0, 2)).not.toEqual(['00080005', '0020000D']);
    const text =
      '{"00080005":{"vr":"CS","Value":["ISO_IR 192"]},"0020000D":{"vr":"UI","Value":["2.25.1"]},' +
      '"52009229":{"vr":"SQ","Value":[{"00280010":{"vr":"US","Value":[1]},"60003000":{"vr":"OW"}}]},' +
      '"54000100":{"vr":"SQ"},"7FE00010":{"vr":"OW","BulkDataURI":"/x"}}';
    expect(dicomJsonText(json)).toBe(text);
    expect(dicomJsonText(JSON.parse(text) as DicomJson)).toBe(text);
  });

  it('is what JSON.stringify gives but for the order, at all levels', () => {
    fc.assert(
      fc.property(dataset, (json) => {
        const text = dicomJsonText(json);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(json)));
        const sorted = (of: DicomJson): string[] =>
          Object.keys(of)
            .sort()
            .flatMap((key) => [
              key,
              ...(of[key]?.vr === 'SQ' ? (of[key].Value ?? []).flatMap((item) => sorted(item as DicomJson)) : []),
            ]);
        expect(tagsIn(text)).toEqual(sorted(json));
      }),
      { seed: 71, numRuns: 500 },
    );
  });

  it('is {} of nothing, and of an item that is null', () => {
    expect(dicomJsonText({})).toBe('{}');
    expect(dicomJsonText({ '00400555': { vr: 'SQ', Value: [null, {}] } })).toBe(
      '{"00400555":{"vr":"SQ","Value":[{},{}]}}',
    );
  });

  it('writes bytes of this process as base64, and refuses fragments', () => {
    const held = Buffer.from('xxabyy').subarray(2, 4);
    expect(dicomJsonText({ '00281201': { vr: 'OW', bytes: held } })).toBe(
      '{"00281201":{"vr":"OW","InlineBinary":"YWI="}}',
    );
    expect(dicomJsonText({ '00281201': { vr: 'OW', bytes: new Uint8Array() } })).toBe('{"00281201":{"vr":"OW"}}');
    expect(dicomJsonText({ '00281201': { vr: 'OW', pieces: [held] } })).toBe('{"00281201":{"vr":"OW"}}');
    expect(() => dicomJsonText({ '7FE00010': { vr: 'OB', fragments: [] } })).toThrow(DicomWriteError);
  });
});
