import { describe, expect, it } from 'vitest';

import { BadRequestError } from './errors/door.js';
import { type QidoLevel, readQuery, type ResourcePath } from './qido.js';

const read = (query: string, path = {}) => readQuery('study', path, new URLSearchParams(query), 100);

describe('readQuery', () => {
  it('asks for everything up to the limit by default', () => {
    expect(read('')).toEqual({
      level: 'study',
      returnedLevels: ['study'],
      matches: [],
      includeTags: [],
      includeAll: false,
      limit: 100,
      offset: 0,
      fuzzyMatching: false,
      emptyValueMatching: false,
      notDone: [],
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
    expect(read('limit=4294967295').limit).toBe(100);
    expect(read('limit=0').limit).toBe(0);
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
    for (const path of ['RequestAttributesSequence.Nonsense', '00400275.'])
      expect(read(`${path}=A`)).toMatchObject({ matches: [], notDone: [expect.stringContaining(path)] });
  });

  it('reads emptyvaluematching', () => {
    expect(read('emptyvaluematching=true&AccessionNumber=%22%22')).toMatchObject({
      emptyValueMatching: true,
      matches: [{ tag: '00080050', value: '""' }],
    });
  });

  it('says that several values are not matched as a list', () => {
    expect(read('multiplevaluematching=true&PatientID=1,2')).toMatchObject({
      matches: [{ tag: '00100020', value: '1,2' }],
      notDone: [expect.stringMatching(/^multiplevaluematching is not supported/)],
    });
    expect(read('multiplevaluematching=false').notDone).toEqual([]);
  });

  it('takes code strings joined by commas for a choice, as a viewer sends them, and other values as they stand', () => {
    const sent = encodeURIComponent(String(['CT', 'MR']));
    expect(read(`ModalitiesInStudy=${sent}&00400275.Modality=C*,MR&PatientName=A,B&BodyPartExamined=`).matches).toEqual(
      [
        { tag: '00080061', value: 'CT\\MR' },
        { tag: '00400275.00080060', value: 'C*\\MR' },
        { tag: '00100010', value: 'A,B' },
        { tag: '00180015', value: '' },
      ],
    );
  });

  it('ignores what is no parameter, and names it without its value', () => {
    const { notDone, ...rest } = read('_=1712&PatientID=1&orderby=-StudyDate&includedefaults=true&orderby=Secret');
    expect(rest).toMatchObject({ matches: [{ tag: '00100020', value: '1' }], includeTags: [] });
    expect(notDone).toEqual(['no parameter or attribute of PS3.6, and ignored: _, orderby, includedefaults']);
    // Nothing that a header cannot hold or that grows without end.
    const hostile = [...Array(500).keys()].map((i) => `x${i}=1`).join('&');
    const [warning = '', ...others] = read(`%0D%0ASet-Cookie=1&%22%C3%BC=1&=1&${'y'.repeat(65)}=1&${hostile}`).notDone;
    expect(others).toEqual([]);
    expect(warning).toMatch(/ignored: one that has no name to be repeated, x0, x1, [\w, ]+$/);
    expect(warning.length).toBeLessThan(250);
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

  it('has attributes of levels above returned unless the path names their resource, whatever keys say', () => {
    const [studyInstanceUid, seriesInstanceUid] = ['1.2', '1.3'];
    const keys = new URLSearchParams('StudyInstanceUID=1.2&SeriesInstanceUID=1.3');
    const levels = (level: QidoLevel, path: ResourcePath) => readQuery(level, path, keys, 10).returnedLevels;
    expect(levels('series', {})).toEqual(['study', 'series']);
    expect(levels('instance', {})).toEqual(['study', 'series', 'instance']);
    expect(levels('series', { studyInstanceUid })).toEqual(['series']);
    expect(levels('instance', { studyInstanceUid })).toEqual(['series', 'instance']);
    expect(levels('instance', { studyInstanceUid, seriesInstanceUid })).toEqual(['instance']);
  });

  it.each([
    'limit=-1',
    'limit=x',
    'limit=',
    'offset=1.5',
    'offset=99999999',
    'includefield=nonsense',
    'fuzzymatching=TRUEE',
    'fuzzymatching=',
    'emptyvaluematching=1',
    'multiplevaluematching=yes',
  ])('refuses %s', (query) => {
    expect(() => read(query)).toThrow(BadRequestError);
  });

  it('never repeats a value of the query in the error', () => {
    expect(() => read('includefield=SecretName')).toThrow(/^(?!.*SecretName)/);
  });
});
