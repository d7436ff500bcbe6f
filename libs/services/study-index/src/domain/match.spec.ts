import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { MalformedMatchError } from './errors.js';
import { readMatch, timeKey } from './match.js';

describe('match values (PS3.4 C.2.2.2)', () => {
  it.each(['', '*', '**'])('%j is universal matching', (value) => {
    expect(readMatch('00100020', 'text', value)).toBeUndefined();
  });

  it('reads single values, case kept for text, folded for names', () => {
    expect(readMatch('00100020', 'text', 'Id-1 ')).toEqual({ kind: 'equal', values: ['Id-1'] });
    expect(readMatch('00100010', 'name', 'MÜLLER^Anna^^')).toEqual({ kind: 'equal', values: ['muller^anna'] });
  });

  it('turns wildcards into LIKE patterns and takes the meaning from LIKE characters', () => {
    expect(readMatch('00100010', 'name', 'mül*^A?na')).toEqual({ kind: 'like', pattern: 'mul%^a_na' });
    expect(readMatch('00081030', 'text', '100%_\\*')).toEqual({ kind: 'like', pattern: '100\\%\\_\\\\%' });
  });

  it('reads UID lists with backslash or comma', () => {
    expect(readMatch('0020000D', 'uid', '1.2\\1.3,1.4')).toEqual({ kind: 'equal', values: ['1.2', '1.3', '1.4'] });
  });

  it.each([
    ['20200101', { kind: 'between', from: '20200101', to: '20200101' }],
    ['20200101-', { kind: 'between', from: '20200101' }],
    ['-20200101', { kind: 'between', to: '20200101' }],
    ['20200101-20201231', { kind: 'between', from: '20200101', to: '20201231' }],
  ])('reads the date range %s', (value, condition) => {
    expect(readMatch('00080020', 'date', value)).toEqual(condition);
  });

  it('takes a time of less precision as its whole interval', () => {
    expect(readMatch('00080030', 'time', '10-1130')).toEqual({
      kind: 'between',
      from: '100000000000',
      to: '113099999999',
    });
    expect(timeKey('10:15:30.5')).toBe('101530500000');
    expect(timeKey('noon')).toBeUndefined();
  });

  it.each([
    ['uid', '1.2.x'],
    ['uid', '1.2*'],
    ['date', '2020'],
    ['date', '20200101-2020010'],
    ['time', 'noon'],
    ['integer', '1.5'],
    ['text', 'x'.repeat(500)],
  ] as const)('refuses %s %s without quoting it', (form, value) => {
    let thrown: unknown;
    try {
      readMatch('00100010', form, value);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(MalformedMatchError);
    expect((thrown as Error).message).not.toContain(value);
  });

  it('never fails but with its own error, whatever the value', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('uid', 'text', 'name', 'date', 'time', 'integer'),
        fc.string({ unit: 'grapheme', maxLength: 40 }),
        fc.boolean(),
        (form, value, fuzzy) => {
          try {
            readMatch('00100010', form as 'uid', value, fuzzy);
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedMatchError);
          }
        },
      ),
      { seed: 20261122, numRuns: 1_000 },
    );
  });
});
