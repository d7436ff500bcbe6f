import { describe, expect, it } from 'vitest';

import { order } from '../../test-support/orders.js';
import { type Due, scheduledStart } from './order-time.js';

/** Written ten minutes before midnight. */
const undated = order({ authoredOn: '2026-11-26T23:50:00+01:00' });
delete undated.occurrenceDateTime;
const start = (due: Partial<Due>, timeZone?: string): string => {
  const { date, time } = scheduledStart(undated, timeZone, { at: new Date('2026-11-28T09:00:00Z'), days: 14, ...due });
  return `${date} ${time}`.trim();
};
const day = (date: string): Partial<Due> => ({ from: date, to: date });

describe('an order that nobody dated', () => {
  it.each<[string, Partial<Due>, string]>([
    ['today', day('20261128'), '20261128'],
    ['a day since', day('20261127'), '20261127'],
    ['the day it was written', day('20261126'), '20261126 235000'],
    ['a day before', day('20261125'), '20261126 235000'],
    ['a day to come', day('20261129'), '20261128'],
    ['days up to one since', { to: '20261127' }, '20261127'],
    ['days from one before on', { from: '20261101' }, '20261128'],
    ['no day', {}, '20261128'],
    ['a time since, of its own day', { from: '20261126235500000000', to: '20261126235999999999' }, '20261126'],
    ['today, when it is too old', { ...day('20261128'), days: 1 }, '20261127'],
    ['today, when each has its own day alone', { ...day('20261128'), days: 0 }, '20261126 235000'],
    ['today, by a clock that is behind', { at: new Date('2026-11-20T09:00:00Z') }, '20261126 235000'],
  ])('is due when it is asked for %s', (_what, due, expected) => expect(start(due)).toBe(expected));

  it('changes its day when the clock of the modality does', () => {
    const at = (time: string): Partial<Due> => ({ at: new Date(`2026-11-27T${time}:00Z`) });
    expect([start(at('22:59')), start(at('23:01'))]).toEqual(['20261127', '20261128']);
    expect([start(at('23:01'), 'America/New_York')]).toEqual(['20261127']);
  });

  it('is another than one that has a date', () => {
    const dated = order({ authoredOn: '2026-11-01' });
    const due = { at: new Date('2026-11-28T09:00:00Z'), days: 14, ...day('20261128') };
    expect(scheduledStart(dated, undefined, due)).toEqual({ date: '20261126', time: '093000' });
  });
});
