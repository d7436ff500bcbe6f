import { describe, expect, it } from 'vitest';
import { attributesDigest, DicomWriteError, encodeDataset, fromDicomJson, parseDataset, toDicomJson } from './index.js';
import { readMatch } from './query/match.js';

const implicitVrLittleEndian = '1.2.840.10008.1.2';
const explicitVrLittleEndian = '1.2.840.10008.1.2.1';
/** A megabyte of the same, with something else behind it: what looks at it from each of its characters on takes minutes. */
const run = (character: string): string => `${character.repeat(1_000_000)}x`;

function element(tag: string, value: string): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16LE(Number.parseInt(tag.slice(0, 4), 16), 0);
  head.writeUInt16LE(Number.parseInt(tag.slice(4), 16), 2);
  const bytes = Buffer.from(value.length % 2 === 0 ? value : `${value} `, 'latin1');
  head.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([head, bytes]);
}

describe('values with long runs of one character', { timeout: 20_000 }, () => {
  it.each([
    ['00080005', ' ', 'a character set'],
    ['00080018', '\0', 'a UID'],
    ['00080020', '1', 'a date'],
    ['00082111', ' ', 'short text'],
    ['00100010', '=', 'a name'],
    ['00100010', '^', 'a name'],
    ['00100020', ' ', 'long string'],
    ['00180050', '1', 'a decimal'],
    ['00200013', '1', 'an integer'],
    ['0040A160', '\0', 'unlimited text'],
  ])('%s with %j is read in one look (%s)', (tag, character) => {
    const parsed = parseDataset(element(tag, run(character)), implicitVrLittleEndian);
    const { dataset } = parsed;
    expect(toDicomJson(dataset)).toHaveProperty(tag);
    expect(dataset.strings(tag).join('').endsWith('x')).toBe(true);
    dataset.numbers('SliceThickness');
    expect(attributesDigest(parsed)).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each([
    ['PN', [{ Alphabetic: run('=') }]],
    ['SV', ['1'.repeat(10_000_000)]],
    ['UV', [run('1')]],
    ['DS', [run('1')]],
    ['IS', [run('1')]],
  ])('%s in DICOM JSON is refused in one look', (vr, value) => {
    const dataset = fromDicomJson({ '00091010': { vr, Value: value } });
    expect(() => encodeDataset(dataset, { transferSyntaxUid: explicitVrLittleEndian })).toThrow(DicomWriteError);
  });

  it.each([
    ['number', run('1')],
    ['name', run('*^')],
    ['text', run(' ')],
  ] as const)('a match value of form %s is read or refused in one look', (form, value) => {
    try {
      readMatch('00181310', form, value);
    } catch (error) {
      expect(String(error)).toMatch(/00181310/);
    }
  });
});
