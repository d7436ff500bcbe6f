import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { MalformedMatchError } from '../errors.js';
import { readMatch } from './match.js';
import { timeKey } from './match-time.js';

describe('match values (PS3.4 C.2.2.2)', () => {
  it.each(['', '*', '**', ' ', '\0'])('%j is universal matching', (value) => {
    expect(readMatch('00100020', 'text', value)).toBeUndefined();
  });

  it('reads single values, case kept for text, folded for names', () => {
    expect(readMatch('00100020', 'text', 'Id-1 ')).toEqual({ kind: 'equal', values: ['Id-1'] });
    expect(readMatch('00100010', 'name', 'MÜLLER^Anna^^')).toEqual({ kind: 'name', groups: [['müller', 'anna']] });
    expect(readMatch('00100010', 'name', '=山田*')).toEqual({ kind: 'name', groups: [undefined, ['山田*']] });
    expect(readMatch('00100010', 'name', '^=^')).toBeUndefined();
    expect(readMatch('00100010', 'name', 'MÜLLER^A*', { fuzzy: true })).toEqual({
      kind: 'words',
      parts: [
        { text: 'muller', isBeginning: true },
        { text: 'a', isBeginning: true },
      ],
    });
    expect(readMatch('00100010', 'name', '*nna?Σ *^x', { fuzzy: true })).toEqual({
      kind: 'words',
      parts: [
        { text: 'nna', isBeginning: false },
        { text: 'σ', isBeginning: false },
        { text: 'x', isBeginning: true },
      ],
    });
  });

  it('reads wildcards as they stand, and several code strings as a choice', () => {
    expect(readMatch('00081030', 'text', '100%_\\*')).toEqual({ kind: 'wildcard', patterns: ['100%_\\*'] });
    expect(readMatch('00080061', 'text', 'CT\\MR ', { isCode: true })).toEqual({ kind: 'equal', values: ['CT', 'MR'] });
  });

  it('reads two quotation marks as no value, once that was negotiated', () => {
    expect(readMatch('00100020', 'text', '""', { emptyValues: true })).toEqual({ kind: 'empty' });
    expect(readMatch('00100020', 'text', '""')).toEqual({ kind: 'equal', values: ['""'] });
  });

  it('reads UID lists with backslash or comma', () => {
    expect(readMatch('0020000D', 'uid', '1.2\\1.3,1.4')).toEqual({ kind: 'equal', values: ['1.2', '1.3', '1.4'] });
  });

  it('reads numbers however they are written', () => {
    for (const value of ['7', '+7', '007', '7.0', ' 7 '])
      expect(readMatch('00200013', 'number', value)).toEqual({ kind: 'number', value: 7 });
  });

  it.each([
    ['20200101', { form: 'single', from: '20200101', to: '20200101' }],
    ['2020.01.01-', { form: 'from', from: '20200101' }],
    ['-20200101', { form: 'to', to: '20200101' }],
    ['20200101 - 20201231', { form: 'range', from: '20200101', to: '20201231' }],
  ])('reads the date range %s', (value, range) => {
    expect(readMatch('00080020', 'date', value)).toEqual({ kind: 'date', ...range });
  });

  it('takes the last day of a month that has fewer for what it is meant to be', () => {
    expect(readMatch('00080020', 'date', '20240201-20240231')).toMatchObject({ from: '20240201', to: '20240231' });
    expect(readMatch('00080030', 'time', '235960')).toMatchObject({ from: '235960000000' });
  });

  it('takes a time of less precision as its whole interval', () => {
    expect(readMatch('00080030', 'time', '10-1130')).toEqual({
      kind: 'time',
      form: 'range',
      from: '100000000000',
      to: '113099999999',
    });
    expect(timeKey('10:15:30.5')).toBe('101530500000');
    expect(timeKey('noon')).toBeUndefined();
  });

  it('tells the hyphen of a range of moments from that of an offset', () => {
    const micros = (iso: string): number => Date.parse(iso) * 1_000;
    expect(readMatch('0008002A', 'datetime', '20200101-0500')).toEqual({
      kind: 'datetime',
      isUtc: true,
      form: 'single',
      from: micros('2020-01-01T05:00:00Z'),
      to: micros('2020-01-02T05:00:00Z') - 1,
    });
    expect(readMatch('0008002A', 'datetime', '20200101-2021')).toEqual({
      kind: 'datetime',
      isUtc: false,
      form: 'range',
      from: micros('2020-01-01T00:00:00Z'),
      to: micros('2022-01-01T00:00:00Z') - 1,
    });
    expect(readMatch('0008002A', 'datetime', '20200101120000.5+0100-')).toMatchObject({
      isUtc: true,
      form: 'from',
      from: micros('2020-01-01T11:00:00.500Z'),
    });
    expect(readMatch('0008002A', 'datetime', '20200101-0500-20200102-0500')).toMatchObject({
      form: 'range',
      isUtc: true,
    });
  });

  it.each([
    ['uid', '1.2.x'],
    ['uid', '1.2*'],
    ['uid', Array.from({ length: 1_001 }, (_, i) => `1.2.${i}`).join('\\')],
    ['date', '2020'],
    ['date', '20200101-2020010'],
    ['date', '20200101-20200102-20200103'],
    ['date', '-'],
    ['date', '20241301'],
    ['date', '20240132-'],
    ['date', '20240000'],
    ['time', 'noon'],
    ['time', '25'],
    ['time', '10-1160'],
    ['time', '101061'],
    ['datetime', '20200101T10'],
    ['datetime', '20201301'],
    ['datetime', '2020010124-'],
    ['datetime', '20200101106000.5+0100'],
    ['number', '1e999'],
    ['number', 'x'],
    ['text', 'x'.repeat(65_536)],
    ['name', 'x'.repeat(500)],
  ] as const)('refuses %s %s without quoting it', (form, value) => {
    let thrown: unknown;
    try {
      readMatch('00100010', form, value);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(MalformedMatchError);
    if (value !== '-' && value !== 'x') expect((thrown as Error).message).not.toContain(value);
  });

  it('never fails but with its own error, whatever the value', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('uid', 'text', 'name', 'date', 'time', 'datetime', 'number'),
        fc.string({ unit: 'grapheme', maxLength: 40 }),
        fc.boolean(),
        (form, value, fuzzy) => {
          try {
            readMatch('00100010', form as 'uid', value, { fuzzy });
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedMatchError);
          }
        },
      ),
      { seed: 20261122, numRuns: 1_000 },
    );
  });
});
