import { describe, expect, it } from 'vitest';

import type { DicomJson } from '../json.js';
import { type Key, matchesKeys } from './key-match.js';
import { formOf } from './match-form.js';
import { readMatch } from './match.js';

const keyOf = (path: string, value: string): Key => {
  const tags = path.split('.');
  const tag = tags.at(-1) ?? '';
  const form = formOf(tag);
  const condition = form && readMatch(tag, form, value, { emptyValues: true });
  if (!condition) throw new Error(`${path} cannot be matched with ${value}`);
  return { path: tags, condition };
};

const dataset: DicomJson = {
  '00080008': { vr: 'CS', Value: ['ORIGINAL', 'PRIMARY'] },
  '00080022': { vr: 'DA', Value: ['2020.01.02'] },
  '0008002A': { vr: 'DT', Value: ['202001021030'] },
  '00080032': { vr: 'TM', Value: ['10:30'] },
  '00080201': { vr: 'SH', Value: ['+0200'] },
  '00081070': { vr: 'PN', Value: [{ Alphabetic: 'Doe^Jane' }, { Alphabetic: 'Roe^Jim', Ideographic: '山田' }] },
  '00180060': { vr: 'DS', Value: [120.5, null] },
  '00180050': { vr: 'DS', Value: ['thin'] },
  '00200013': { vr: 'IS' },
  '00280009': { vr: 'AT', Value: ['00181063'] },
  '00081111': {
    vr: 'SQ',
    Value: [
      { '00081150': { vr: 'UI', Value: ['1.2'] }, '00081155': { vr: 'UI', Value: ['1.2.1'] } },
      { '00081150': { vr: 'UI', Value: ['1.3'] }, '00081155': { vr: 'UI', Value: ['1.3.1'] } },
    ],
  },
};

describe('keys are compared with a dataset', () => {
  it.each<[path: string, value: string, expected: boolean]>([
    ['00080008', 'PRIMARY', true],
    ['00080008', 'primary', false],
    ['00080008', 'PRIM?RY', true],
    ['00080022', '20200101-20200102', true],
    ['00080032', '1030', true],
    ['00080032', '1031-', false],
    ['0008002A', '202001021000-202001021100', true],
    // Its dataset is two hours ahead of UTC.
    ['0008002A', '20200102083000+0000-', true],
    ['0008002A', '20200102083100+0000-', false],
    ['00081070', 'roe^jim', true],
    ['00081070', '山田', true],
    ['00081070', 'doe', false],
    ['00180060', '120.50', true],
    ['00180060', '120', false],
    ['00180050', '0', false],
    ['00200013', '""', true],
    ['00200012', '""', true],
    ['00080008', '""', false],
    ['00280009', '00181063', true],
    ['00081111.00081155', '1.3.1', true],
    ['00081111.00081155', '1.4', false],
    ['00081115.00081155', '1.3.1', false],
  ])('%s = %s: %s', (path, value, expected) => {
    expect(matchesKeys(dataset, [keyOf(path, value)])).toBe(expected);
  });

  it('all of them, those of one sequence in one item', () => {
    const both = (sop: string) => [keyOf('00081111.00081150', '1.2'), keyOf('00081111.00081155', sop)];
    expect(matchesKeys(dataset, both('1.2.1'))).toBe(true);
    expect(matchesKeys(dataset, both('1.3.1'))).toBe(false);
    expect(matchesKeys(dataset, [keyOf('00080008', 'ORIGINAL'), keyOf('00180060', '1')])).toBe(false);
    expect(matchesKeys(dataset, [])).toBe(true);
  });
});
