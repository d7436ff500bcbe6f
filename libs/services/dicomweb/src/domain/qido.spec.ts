import { describe, expect, it } from 'vitest';

import { BadRequestError } from './errors.js';
import { readQuery } from './qido.js';

const read = (query: string, path = {}) => readQuery('study', path, new URLSearchParams(query), 100);

describe('readQuery', () => {
  it('asks for everything up to the limit by default', () => {
    expect(read('')).toEqual({
      level: 'study',
      matches: [],
      includeTags: [],
      includeAll: false,
      limit: 100,
      offset: 0,
      fuzzyMatching: false,
      emptyValueMatching: false,
    });
  });

  it('reads keys by keyword and by tag, values decoded', () => {
    expect(read('PatientName=M%C3%BCller*&0020000D=1.2.3&StudyDate=20260101-').matches).toEqual([
      { tag: '00100010', value: 'Müller*' },
      { tag: '0020000D', value: '1.2.3' },
      { tag: '00080020', value: '20260101-' },
    ]);
  });

  it('reads includefield once, repeated and as a list', () => {
    const { includeTags, includeAll } = read(
      'includefield=StudyDescription,00081090&includefield=PatientAge&includefield=',
    );
    expect(includeTags).toEqual(['00081030', '00081090', '00101010']);
    expect(includeAll).toBe(false);
    expect(read('includefield=all').includeAll).toBe(true);
  });

  it('bounds the limit, and takes an offset', () => {
    expect(read('limit=7&offset=14')).toMatchObject({ limit: 7, offset: 14 });
    expect(read('limit=100000').limit).toBe(100);
  });

  it('reads fuzzymatching in any case, and leaves content negotiation alone', () => {
    expect(read('FuzzyMatching=TRUE&accept=application/dicom%2Bjson&charset=utf-8')).toMatchObject({
      fuzzyMatching: true,
      matches: [],
    });
    expect(read('fuzzymatching=false').fuzzyMatching).toBe(false);
  });

  it('reads paths into sequences by keyword and by tag', () => {
    const { matches, includeTags } = read(
      'RequestAttributesSequence.ScheduledProcedureStepID=A&00400275.00401001=B&includefield=00400275.00400007',
    );
    expect(matches).toEqual([
      { tag: '00400275.00400009', value: 'A' },
      { tag: '00400275.00401001', value: 'B' },
    ]);
    expect(includeTags).toEqual(['00400275.00400007']);
    expect(() => read('RequestAttributesSequence.Nonsense=A')).toThrow(BadRequestError);
    expect(() => read('00400275.=A')).toThrow(BadRequestError);
  });

  it('reads emptyvaluematching', () => {
    expect(read('emptyvaluematching=true&AccessionNumber=%22%22')).toMatchObject({
      emptyValueMatching: true,
      matches: [{ tag: '00080050', value: '""' }],
    });
  });

  it('matches the UIDs of the path', () => {
    expect(
      readQuery('instance', { studyInstanceUid: '1.2', seriesInstanceUid: '1.3' }, new URLSearchParams(), 10).matches,
    ).toEqual([
      { tag: '0020000D', value: '1.2' },
      { tag: '0020000E', value: '1.3' },
    ]);
    expect(() => read('', { studyInstanceUid: 'x.y' })).toThrow(BadRequestError);
  });

  it.each([
    'limit=0',
    'limit=-1',
    'limit=x',
    'limit=',
    'offset=1.5',
    'offset=99999999',
    'NotAnAttribute=1',
    'includefield=nonsense',
  ])('refuses %s', (query) => {
    expect(() => read(query)).toThrow(BadRequestError);
  });

  it('never repeats a value of the query in the error', () => {
    expect(() => read('SecretName=1')).toThrow(/^(?!.*SecretName)/);
  });
});
