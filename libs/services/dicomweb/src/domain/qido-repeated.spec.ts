import { describe, expect, it } from 'vitest';

import { BadRequestError } from './errors/door.js';
import * as qido from './qido.js';

const read = (query: string, path = {}) => qido.readQuery('series', path, new URLSearchParams(query), 100);

describe('what a search is given more than once', () => {
  it.each([
    'limit=1&limit=2',
    'limit=1&LIMIT=1',
    'offset=1&offset=1',
    'fuzzymatching=true&fuzzymatching=false',
    'emptyvaluematching=true&emptyvaluematching=true',
    'multiplevaluematching=false&multiplevaluematching=false',
    'PatientID=1&PatientID=2',
    'Modality=CT&00080060=MR',
  ])('is refused, as %s', (query) => {
    expect(() => read(query)).toThrow(BadRequestError);
    expect(() => read(query)).toThrow(/more than once/);
  });

  it('is a list where it is a UID', () => {
    expect(read('SeriesInstanceUID=1.2&PatientID=1&0020000E=1.3,1.4').matches).toEqual([
      { tag: '0020000E', value: '1.2\\1.3,1.4' },
      { tag: '00100020', value: '1' },
    ]);
  });

  it('does not widen what the path names', () => {
    expect(read('StudyInstanceUID=1.3', { studyInstanceUid: '1.2' }).matches).toEqual([
      { tag: '0020000D', value: '1.2' },
      { tag: '0020000D', value: '1.3' },
    ]);
  });
});
