import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { datasetOf, DicomWriteError, type DicomJson, toDicomXml } from './index.js';

const head =
  '<?xml version="1.0" encoding="UTF-8"?>\n' +
  '<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM" xml:space="preserve">';
const foot = '</NativeDicomModel>\n';

/** The document without what is the same in all. */
function body(dataset: DicomJson): string {
  const text = [...toDicomXml(dataset)].join('');
  expect(text.startsWith(head)).toBe(true);
  expect(text.endsWith(foot)).toBe(true);
  return text.slice(head.length, -foot.length);
}
const attribute = (tag: string, vr: string, keyword: string, content: string): string =>
  `<DicomAttribute tag="${tag}" keyword="${keyword}" vr="${vr}"${content === '' ? '/>' : `>${content}</DicomAttribute>`}`;
/** The character data of one text value. */
const valueOf = (text: string): string =>
  /^<[^>]*><Value number="1">(.*)<\/Value><\/DicomAttribute>$/s.exec(
    body({ '00204000': { vr: 'LT', Value: [text] } }),
  )?.[1] ?? '';

describe('toDicomXml (PS3.19 A.1)', () => {
  it('names an attribute by tag, keyword and VR, and numbers its values from 1', () => {
    expect(body(datasetOf({ ImageType: ['ORIGINAL', 'PRIMARY', 'AXIAL'], Rows: 512 }))).toBe(
      attribute(
        '00080008',
        'CS',
        'ImageType',
        '<Value number="1">ORIGINAL</Value><Value number="2">PRIMARY</Value><Value number="3">AXIAL</Value>',
      ) + attribute('00280010', 'US', 'Rows', '<Value number="1">512</Value>'),
    );
  });

  it('keeps the place of an empty value, and has none where there is no value (Table A.1.5-2)', () => {
    expect(body({ '00080008': { vr: 'CS', Value: ['MPG', null, 'XR3'] }, '00100020': { vr: 'LO' } })).toBe(
      attribute(
        '00080008',
        'CS',
        'ImageType',
        '<Value number="1">MPG</Value><Value number="2"/><Value number="3">XR3</Value>',
      ) + attribute('00100020', 'LO', 'PatientID', ''),
    );
  });

  it('parses names into groups and components, five at most (Table 10.2-1)', () => {
    const name = (value: string): string => body(datasetOf({ PatientName: value }));
    const person = (content: string): string =>
      attribute('00100010', 'PN', 'PatientName', `<PersonName number="1">${content}</PersonName>`);
    expect(name('Yamada^Tarou=山田^太郎=やまだ^たろう')).toBe(
      person(
        '<Alphabetic><FamilyName>Yamada</FamilyName><GivenName>Tarou</GivenName></Alphabetic>' +
          '<Ideographic><FamilyName>山田</FamilyName><GivenName>太郎</GivenName></Ideographic>' +
          '<Phonetic><FamilyName>やまだ</FamilyName><GivenName>たろう</GivenName></Phonetic>',
      ),
    );
    expect(name('Adams^John Robert Quincy^^Rev.^B.A. M.Div.')).toBe(
      person(
        '<Alphabetic><FamilyName>Adams</FamilyName><GivenName>John Robert Quincy</GivenName>' +
          '<NamePrefix>Rev.</NamePrefix><NameSuffix>B.A. M.Div.</NameSuffix></Alphabetic>',
      ),
    );
    expect(name('=洪^吉洞')).toBe(
      person('<Ideographic><FamilyName>洪</FamilyName><GivenName>吉洞</GivenName></Ideographic>'),
    );
    expect(name('^^^^V^VI^VII')).toBe(person('<Alphabetic><NameSuffix>V^VI^VII</NameSuffix></Alphabetic>'));
  });

  it('keeps the place of a name that is empty', () => {
    expect(body({ '00101001': { vr: 'PN', Value: [null, { Alphabetic: 'B' }, { Alphabetic: '^^' }] } })).toBe(
      attribute(
        '00101001',
        'PN',
        'OtherPatientNames',
        '<PersonName number="1"/>' +
          '<PersonName number="2"><Alphabetic><FamilyName>B</FamilyName></Alphabetic></PersonName>' +
          '<PersonName number="3"/>',
      ),
    );
  });

  it('nests items, empty ones too', () => {
    const code = attribute('00080100', 'SH', 'CodeValue', '<Value number="1">T-D3000</Value>');
    expect(
      body({
        '00082218': { vr: 'SQ', Value: [{ '00080100': { vr: 'SH', Value: ['T-D3000'] } }, {}] },
        '00400555': { vr: 'SQ' },
      }),
    ).toBe(
      attribute('00082218', 'SQ', 'AnatomicRegionSequence', `<Item number="1">${code}</Item><Item number="2"></Item>`) +
        attribute('00400555', 'SQ', 'AcquisitionContextSequence', ''),
    );
  });

  it('refers to bulk data, and holds other bytes as base64', () => {
    expect(
      body({
        '00281201': { vr: 'OW', InlineBinary: 'AAECAw==' },
        '00281202': { vr: 'OW', bytes: Uint8Array.of(255, 0) },
        '00281203': { vr: 'OW' },
        '7FE00010': { vr: 'OW', BulkDataURI: 'https://pacs.example/a?b="1"&c=<2>' },
      }),
    ).toBe(
      attribute('00281201', 'OW', 'RedPaletteColorLookupTableData', '<InlineBinary>AAECAw==</InlineBinary>') +
        attribute('00281202', 'OW', 'GreenPaletteColorLookupTableData', '<InlineBinary>/wA=</InlineBinary>') +
        attribute('00281203', 'OW', 'BluePaletteColorLookupTableData', '') +
        attribute(
          '7FE00010',
          'OW',
          'PixelData',
          '<BulkData uri="https://pacs.example/a?b=&quot;1&quot;&amp;c=&lt;2&gt;"/>',
        ),
    );
  });

  it('gives private attributes their creator in place of their block (Table A.1.5-2, tag)', () => {
    expect(
      body({
        '00090010': { vr: 'LO', Value: ['ACME "1"'] },
        '00090011': { vr: 'LO', Value: ['OTHER'] },
        '00091002': { vr: 'UN', InlineBinary: 'AA==' },
        '00091102': { vr: 'LO', Value: ['x'] },
        '00091203': { vr: 'LO', Value: ['nobody reserved this block'] },
      }),
    ).toBe(
      '<DicomAttribute tag="00090002" privateCreator="ACME &quot;1&quot;" vr="UN"><InlineBinary>AA==</InlineBinary></DicomAttribute>' +
        '<DicomAttribute tag="00090002" privateCreator="OTHER" vr="LO"><Value number="1">x</Value></DicomAttribute>' +
        '<DicomAttribute tag="00091203" vr="LO"><Value number="1">nobody reserved this block</Value></DicomAttribute>',
    );
  });

  it('knows the creators of an item from that item alone (PS3.5 7.8.1)', () => {
    const item = { '00091001': { vr: 'LO', Value: ['x'] } };
    const text = body({
      '00082218': { vr: 'SQ', Value: [item, { '00090010': { vr: 'LO', Value: ['INNER'] }, ...item }] },
      '00090010': { vr: 'LO', Value: ['OUTER'] },
      '00091001': { vr: 'LO', Value: ['y'] },
    });
    expect([...text.matchAll(/tag="(0009\w+)"(?: privateCreator="(\w+)")?/g)].map(([, ...found]) => found)).toEqual([
      ['00091001', undefined],
      ['00090001', 'INNER'],
      ['00090001', 'OUTER'],
    ]);
  });

  it('is in the order of tags, as JavaScript is not, without group lengths', () => {
    const text = body({
      '60003000': { vr: 'OW', InlineBinary: 'AA==' },
      '54000100': { vr: 'SQ' },
      '00080000': { vr: 'UL', Value: [8] },
      '00080060': { vr: 'CS', Value: ['ECG'] },
      '10000010': { vr: 'US' },
    });
    expect([...text.matchAll(/tag="(\w+)"/g)].map(([, tag]) => tag)).toEqual([
      '00080060',
      '10000010',
      '54000100',
      '60003000',
    ]);
  });

  it('has the keyword of PS3.6 for what is retired or repeats, and none for what is unknown', () => {
    const text = body({ '00080010': { vr: 'SH' }, '60020010': { vr: 'US' }, '00080FFF': { vr: 'UN' } });
    expect(text).toBe(
      attribute('00080010', 'SH', 'RecognitionCode', '') +
        '<DicomAttribute tag="00080FFF" vr="UN"/>' +
        attribute('60020010', 'US', 'OverlayRows', ''),
    );
  });

  it.each([
    ['DS', 0.1, '0.1'],
    ['DS', -1.2345678901e-5, '-1.2345678901e-5'],
    ['DS', '1.50', '1.50'],
    // More digits than DS has are no DS, and are not thrown away.
    ['DS', -1.2345678901234568e-5, '-1.2345678901234568e-5'],
    ['IS', -7, '-7'],
    ['FD', 1e21, '1e+21'],
    ['FD', 'NaN', 'NaN'],
    ['UV', '18446744073709551615', '18446744073709551615'],
    ['AT', '7fe00010', '7FE00010'],
  ])('writes a value of %s, %s, as %s', (vr, value, text) => {
    expect(body({ '00090203': { vr, Value: [value] } })).toContain(`<Value number="1">${text}</Value>`);
  });

  it('refuses fragments, and values that are no text', () => {
    expect(() => body({ '7FE00010': { vr: 'OB', fragments: [new Uint8Array()] } })).toThrow(DicomWriteError);
    expect(() => body({ '00080060': { vr: 'CS', Value: [{ Alphabetic: 'x' }] } })).toThrow(DicomWriteError);
  });

  it('comes in strings of bounded length, also of one long sequence', () => {
    const item = { '00080100': { vr: 'SH', Value: ['0123456789abcdef'] } };
    const strings = [...toDicomXml({ '52009230': { vr: 'SQ', Value: new Array<DicomJson>(5000).fill(item) } })];
    expect(strings.length).toBeGreaterThan(20);
    expect(Math.max(...strings.map(({ length }) => length))).toBeLessThan(20_000);
  });
});

describe('text in XML', () => {
  it.each([
    ['markup', '<b>&amp;"\'</b>]]>', '&lt;b&gt;&amp;amp;"\'&lt;/b&gt;]]&gt;'],
    ['line ends, of which a parser would change CR', 'a\r\nb\nc\td', 'a&#xD;\nb\nc\td'],
    ['spaces at the ends', '  a  ', '  a  '],
    ['what XML 1.0 cannot hold (2.2)', 'a\0\x0c\x1b\ufffe\uffffb', 'a\ufffd\ufffd\ufffd\ufffd\ufffdb'],
    ['control characters that it can', '\x7f\x85\x9f', '&#x7F;&#x85;&#x9F;'],
    ['halves of surrogate pairs', '\ud83da\ude00', '\ufffda\ufffd'],
    ['whole pairs', '😀𠂉', '😀𠂉'],
  ])('holds %s', (_, text, written) => {
    expect(valueOf(text)).toBe(written);
  });

  it('has no markup that was text, in values, names, creators and URIs', () => {
    const any = fc.string({ unit: fc.constantFrom(...'<>&"\'\r\n\0\x1b\ud83d;a]=^'), maxLength: 20 });
    fc.assert(
      fc.property(any, any, any, any, (value, name, creator, uri) => {
        const text = body({
          '00090010': { vr: 'LO', Value: [`C${creator}`] },
          '00091001': { vr: 'LO', Value: [value] },
          '00100010': { vr: 'PN', Value: [{ Alphabetic: name }] },
          '7FE00010': { vr: 'OW', BulkDataURI: uri },
        });
        const left = text
          .replace(
            /<\/?(DicomAttribute|Value|PersonName|Alphabetic|BulkData|\w+Name|Name\w+)( \w+="[^"<>&]*(&[#\w]+;[^"<>&]*)*")*\/?>/g,
            '',
          )
          .replace(/&(amp|lt|gt|quot|#x[0-9A-F]+);/g, '');
        expect(left).not.toMatch(/[<>&\r\0\x1b]/);
      }),
      { seed: 31, numRuns: 500 },
    );
  });
});
