import { describe, expect, it } from 'vitest';

import { overSince } from './keep-or-let-go.js';

const now = new Date('2026-11-22T00:00:00Z');
const daysAgo = (days: number): Date => new Date(now.getTime() - days * 86_400_000);
const aged = { studyInstanceUid: '1.2', sourceInstances: 1 };
const over = (days: Record<string, number>, modalities: string[], age: number): boolean =>
  overSince(days, { ...aged, modalities, lastStoredAt: daysAgo(age) }, now) !== undefined;

describe('retention of a study', () => {
  it('is over when the period of its modality is', () => {
    expect(over({ CT: 30 }, ['CT'], 30)).toBe(true);
    expect(over({ CT: 30 }, ['CT'], 29)).toBe(false);
  });

  it('says since when nothing may have come', () => {
    const study = { ...aged, modalities: ['CT', 'MG'], lastStoredAt: daysAgo(70) };
    expect(overSince({ CT: 30, MG: 60 }, study, now)?.quietSince).toEqual(daysAgo(60));
  });

  it('of what is hidden is the longest of all: its modality is not known', () => {
    const study = { ...aged, modalities: ['KO'], lastStoredAt: daysAgo(9_999) };
    expect(overSince({ CT: 3_650, '*': 365 }, study, now)?.hiddenQuietSince).toEqual(daysAgo(3_650));
    expect(overSince({ KO: 30, CT: 60 }, study, now)?.hiddenQuietSince).toBeNull();
  });

  it('takes the longest period of its modalities', () => {
    expect(over({ CT: 30, MG: 60 }, ['CT', 'MG'], 45)).toBe(false);
    expect(over({ CT: 30, MG: 60 }, ['CT', 'MG'], 60)).toBe(true);
  });

  it('is never over for a modality without a period, unless there is one for all others', () => {
    expect(over({ CT: 30 }, ['CT', 'MR'], 9_999)).toBe(false);
    expect(over({ CT: 30, '*': 90 }, ['CT', 'MR'], 89)).toBe(false);
    expect(over({ CT: 30, '*': 90 }, ['CT', 'MR'], 90)).toBe(true);
    expect(over({ CT: 30 }, [], 9_999)).toBe(false);
  });

  it('does not begin for a study that holds no source instance', () => {
    expect(overSince({ '*': 1 }, { ...aged, modalities: ['SEG'], lastStoredAt: null }, now)).toBeUndefined();
  });
});
