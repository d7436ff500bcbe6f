import { describe, expect, it } from 'vitest';
import {
  encodeDataset,
  keysOfIdentifier,
  parseDataset,
  toDicomJson,
  DicomParseError,
  type DicomJson,
} from './index.js';

const identifier: DicomJson = {
  '00080052': { vr: 'CS', Value: ['STUDY'] },
  '00080020': { vr: 'DA', Value: ['20260101-20260131'] },
  '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Müller^A*' }] },
  '00100020': { vr: 'LO' },
  '0020000D': { vr: 'UI', Value: ['1.2.3', '1.2.4'] },
  '00280010': { vr: 'US', Value: [512] },
  '00280009': { vr: 'AT', Value: ['00181063'] },
  '00189087': { vr: 'FD', Value: [1.5] },
  '00400275': {
    vr: 'SQ',
    Value: [
      {
        '00321060': { vr: 'LO', Value: ['Schädel'] },
        '00400008': { vr: 'SQ', Value: [{ '00080100': { vr: 'SH', Value: ['T1'] } }] },
        '00400009': { vr: 'SH', Value: ['SPS?1'] },
      },
    ],
  },
  '00081110': { vr: 'SQ' },
  '00081140': { vr: 'SQ', Value: [{}] },
};
const sorted = (json: DicomJson): DicomJson =>
  Object.fromEntries(Object.entries(json).sort(([a], [b]) => (a < b ? -1 : 1)));
const without = ({ '00080005': _, ...rest }: DicomJson): DicomJson => rest;

const syntaxes = [
  ['Implicit VR Little Endian', '1.2.840.10008.1.2'],
  ['Explicit VR Little Endian', '1.2.840.10008.1.2.1'],
  ['Explicit VR Big Endian', '1.2.840.10008.1.2.2'],
  ['Deflated Explicit VR Little Endian', '1.2.840.10008.1.2.1.99'],
] as const;

describe('an identifier', () => {
  it.each(syntaxes)('in %s is read as it was written', (_name, transferSyntaxUid) => {
    const { bytes, characterSet } = encodeDataset(identifier, { transferSyntaxUid, characterSets: ['ISO_IR 100'] });
    expect(characterSet).toBe('ISO_IR 100');
    expect(bytes.length % 2).toBe(0);
    const { dataset } = parseDataset(bytes, transferSyntaxUid);
    expect(dataset.string('SpecificCharacterSet')).toBe('ISO_IR 100');
    expect(without(toDicomJson(dataset))).toEqual(sorted(identifier));
  });

  it('is written in the first set that has its characters, in Unicode where none has, and says in which', () => {
    const written = (name: string, characterSets?: readonly string[]): string =>
      encodeDataset(
        { '00100010': { vr: 'PN', Value: [{ Alphabetic: name }] } },
        { transferSyntaxUid: '1.2.840.10008.1.2', ...(characterSets ? { characterSets } : {}) },
      ).characterSet;
    expect(written('DOE')).toBe('');
    expect(written('Müller')).toBe('ISO_IR 192');
    expect(written('Müller', ['ISO_IR 144', 'ISO_IR 100'])).toBe('ISO_IR 100');
    expect(written('Müller 山', ['ISO_IR 100', '\\ISO 2022 IR 87'])).toBe('ISO_IR 192');
    expect(written('山', ['nonsense', '\\ISO 2022 IR 87'])).toBe('\\ISO 2022 IR 87');
  });

  it('carries no character set of its items, nor one that was asked for before', () => {
    const { bytes } = encodeDataset(
      {
        '00080005': { vr: 'CS', Value: ['ISO_IR 192'] },
        '00081140': {
          vr: 'SQ',
          Value: [{ '00080005': { vr: 'CS', Value: ['ISO_IR 192'] }, '00080100': { vr: 'SH' } }],
        },
      },
      { transferSyntaxUid: '1.2.840.10008.1.2' },
    );
    expect(toDicomJson(parseDataset(bytes, '1.2.840.10008.1.2').dataset)).toEqual({
      '00081140': { vr: 'SQ', Value: [{ '00080100': { vr: 'SH' } }] },
    });
  });

  it('repeats broken values of stored objects: UIDs, and letters where there are none', () => {
    const { bytes } = encodeDataset(
      { '0020000D': { vr: 'UI', Value: ['1.02'] }, '00080060': { vr: 'CS', Value: ['MÜ'] } },
      { transferSyntaxUid: '1.2.840.10008.1.2.1' },
    );
    const { dataset } = parseDataset(bytes, '1.2.840.10008.1.2.1');
    expect([dataset.string('StudyInstanceUID'), dataset.string('Modality')]).toEqual(['1.02', 'M?']);
  });

  it('gives its keys, those in items by their path', () => {
    expect(Object.fromEntries(keysOfIdentifier(identifier).map(({ path, value }) => [path, value]))).toEqual({
      '00080020': '20260101-20260131',
      '00100010': 'Müller^A*',
      '00100020': '',
      '0020000D': '1.2.3\\1.2.4',
      '00280010': '512',
      '00280009': '00181063',
      '00189087': '1.5',
      '00400275.00321060': 'Schädel',
      '00400275.00400008.00080100': 'T1',
      '00400275.00400009': 'SPS?1',
      '00081110': '',
      '00081140': '',
    });
    const two = { '00081140': { vr: 'SQ', Value: [{ '00080100': { vr: 'SH' } }, {}] } };
    expect(() => keysOfIdentifier(two)).toThrow(DicomParseError);
  });
});
