import { datasetOf, type DicomJson } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { IdentifierError } from './query-errors.js';
import { type QueryRoot, readFind, readRetrieve } from './query-model.js';

const refusal = (read: () => unknown): readonly string[] | undefined => {
  try {
    read();
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(IdentifierError);
    return (error as IdentifierError).tags;
  }
};
const identifier = (attributes: Parameters<typeof datasetOf>[0]): DicomJson => datasetOf(attributes);

describe('a C-FIND identifier', () => {
  it.each<[QueryRoot, string]>([
    ['patient', 'IMAGES'],
    ['study', 'PATIENT'],
    ['study', ''],
  ])('of the %s root at level "%s" is refused, by its level', (root, QueryRetrieveLevel) => {
    expect(refusal(() => readFind(identifier({ QueryRetrieveLevel }), root, false))).toEqual(['00080052']);
  });

  it('needs one value for the unique key of each level above, by the hierarchy', () => {
    const image = (changes: Record<string, unknown>): DicomJson =>
      identifier({
        QueryRetrieveLevel: 'IMAGE',
        PatientID: 'P1',
        StudyInstanceUID: '1.2',
        SeriesInstanceUID: '1.2.3',
        ...changes,
      } as never);
    const read = (changes: Record<string, unknown>, root: QueryRoot = 'patient') =>
      refusal(() => readFind(image(changes), root, false));
    expect(read({})).toBeUndefined();
    expect(read({ PatientID: undefined })).toEqual(['00100020']);
    expect(read({ PatientID: 'P*' })).toEqual(['00100020']);
    expect(read({ PatientID: undefined }, 'study')).toBeUndefined();
    expect(read({ StudyInstanceUID: '' })).toEqual(['0020000D']);
    expect(read({ StudyInstanceUID: '*' })).toEqual(['0020000D']);
    expect(read({ SeriesInstanceUID: ['1.2.3', '1.2.4'] })).toEqual(['0020000E']);
  });

  it('needs none of them where relational queries are agreed on', () => {
    const found = readFind(identifier({ QueryRetrieveLevel: 'IMAGE', SOPClassUID: '' }), 'patient', true);
    expect(found).toEqual({ level: 'IMAGE', keys: [{ path: '00080016', value: '' }] });
  });

  it('keeps to itself what only this node can say, and does not match by the time zone', () => {
    const { keys } = readFind(
      identifier({
        QueryRetrieveLevel: 'STUDY',
        RetrieveAETitle: '',
        InstanceAvailability: '',
        TimezoneOffsetFromUTC: '+0100',
        PatientName: 'Doe^*',
      }),
      'study',
      false,
    );
    expect(keys).toEqual([
      { path: '00080201', value: '' },
      { path: '00100010', value: 'Doe^*' },
    ]);
  });

  it('with two items in a sequence says nothing the standard defines', () => {
    const sequence = { vr: 'SQ', Value: [{}, {}] };
    const two = { ...identifier({ QueryRetrieveLevel: 'STUDY' }), '00400275': sequence };
    expect(refusal(() => readFind(two, 'study', false))).toEqual([]);
  });
});

describe('the identifier of a retrieve', () => {
  it('lists UIDs at its own level, each once, and names one entity above', () => {
    const { level, ...uids } = readRetrieve(
      identifier({
        QueryRetrieveLevel: 'SERIES',
        PatientID: 'ignored in this model',
        StudyInstanceUID: '1.2',
        SeriesInstanceUID: ['1.2.3', '1.2.4', '1.2.3'],
        SOPInstanceUID: '9.9',
      }),
      'study',
      false,
    );
    expect(level).toBe('SERIES');
    expect(uids).toEqual({
      studyInstanceUids: ['1.2'],
      seriesInstanceUids: ['1.2.3', '1.2.4'],
      sopInstanceUids: [],
    });
  });

  it.each<[string, QueryRoot, boolean, Record<string, unknown>, string]>([
    ['without the key of its level', 'study', false, { QueryRetrieveLevel: 'STUDY' }, '0020000D'],
    ['without it, also relational', 'patient', true, { QueryRetrieveLevel: 'PATIENT', PatientID: '' }, '00100020'],
    ['of several patients', 'patient', false, { QueryRetrieveLevel: 'PATIENT', PatientID: ['A', 'B'] }, '00100020'],
    ['with a wildcard', 'patient', false, { QueryRetrieveLevel: 'PATIENT', PatientID: 'A*' }, '00100020'],
    [
      'with what is no UID',
      'study',
      false,
      { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: ['1.2', '1.x'] },
      '0020000D',
    ],
    [
      'without the study above',
      'study',
      false,
      { QueryRetrieveLevel: 'SERIES', SeriesInstanceUID: '1.2.3' },
      '0020000D',
    ],
    [
      'without the patient above',
      'patient',
      false,
      { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '1.2' },
      '00100020',
    ],
  ])('%s is refused, by its tag', (_, root, relational, attributes, tag) => {
    expect(refusal(() => readRetrieve(identifier(attributes as never), root, relational))).toEqual([tag]);
  });

  it('names 10,000 UIDs at most in all of its lists, by the keys that hold them', () => {
    const uids = (root: string, number: number): string[] =>
      Array.from({ length: number }, (_, i) => `1.2.${root}.${i}`);
    const read = (series: number) =>
      refusal(() =>
        readRetrieve(
          identifier({
            QueryRetrieveLevel: 'SERIES',
            StudyInstanceUID: uids('3', 5_000),
            SeriesInstanceUID: uids('4', series),
          }),
          'study',
          true,
        ),
      );
    expect(read(5_000)).toBeUndefined();
    expect(read(5_001)).toEqual(['0020000D', '0020000E']);
  });

  it('may leave out what is above, or list it, where relational retrieval is agreed on', () => {
    const instances = identifier({ QueryRetrieveLevel: 'IMAGE', SOPInstanceUID: ['1.1', '1.2'] });
    expect(readRetrieve(instances, 'patient', true)).toMatchObject({
      studyInstanceUids: [],
      sopInstanceUids: ['1.1', '1.2'],
    });
    const series = { QueryRetrieveLevel: 'SERIES', StudyInstanceUID: ['1.2', '1.3'], SeriesInstanceUID: '1.4' };
    expect(readRetrieve(identifier(series), 'study', true).studyInstanceUids).toEqual(['1.2', '1.3']);
  });
});
