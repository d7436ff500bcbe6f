import { describe, expect, it } from 'vitest';

import { causeOf, standingOf } from './note-revisions.js';

const hours = (count: number): Date => new Date(Date.UTC(2026, 10, 22, count));
const revision = (instanceRevision: number, came: number) => ({
  ...{ sopInstanceUid: '1.2.9', studyInstanceUid: '1.2', instanceRevision, storedAt: hours(came) },
});
/** As this version names it. */
const decided = (instanceRevision: number, came: number) => ({
  ...{ cause: causeOf(revision(instanceRevision, came), []), recordedAt: hours(came) },
});
/** As the version before did. */
const decidedBefore = (instanceRevision: number, at: number) => ({
  ...{ cause: instanceRevision > 1 ? `1.2.9/${String(instanceRevision)}` : '1.2.9', recordedAt: hours(at) },
});

describe('a revision of a note', () => {
  it('is its object, also under another number', () => {
    expect(causeOf(revision(2, 1), [])).toBe(causeOf(revision(2, 1), [decided(2, 2)]));
    expect(causeOf(revision(2, 1), [])).not.toBe(causeOf(revision(2, 2), []));
    expect(causeOf(revision(3, 1), [decided(2, 1)])).toBe(decided(2, 1).cause);
  });

  it('that the version before obeyed is known by its number, unless it came after that', () => {
    expect(causeOf(revision(1, 1), [decidedBefore(1, 1)])).toBe('1.2.9');
    expect(causeOf(revision(2, 1), [decidedBefore(1, 1), decidedBefore(2, 1)])).toBe('1.2.9/2');
    expect(causeOf(revision(2, 5), [decidedBefore(2, 1)])).toBe(decided(2, 5).cause);
  });

  it.each([
    ['is the first', revision(1, 1), [], 'first'],
    ['is the first, delivered again', revision(1, 1), [decided(1, 1)], 'first'],
    ['corrects another, of which nothing is known', revision(2, 2), [], 'further'],
    ['corrects another, also delivered again', revision(2, 2), [decided(1, 1), decided(2, 2)], 'further'],
    ['corrects another with the number of a first', revision(1, 2), [decided(1, 1)], 'further'],
    ['comes after a later one', revision(2, 2), [decided(1, 1), decided(3, 3)], 'overtaken'],
    ['was obeyed before another', revision(1, 1), [decided(1, 1), decided(2, 2)], 'overtaken'],
    ['was obeyed before one of a lower number', revision(3, 3), [decided(3, 3), decided(2, 4)], 'overtaken'],
    ['came after one of a higher number', revision(2, 4), [decided(2, 2), decided(3, 3)], 'further'],
    ['came before one of the same number', revision(2, 2), [decided(1, 1), decided(2, 4)], 'overtaken'],
    ['comes after a later one of before', revision(2, 2), [decidedBefore(3, 3)], 'overtaken'],
    ['came after one of before, of a higher number', revision(2, 5), [decidedBefore(3, 3)], 'further'],
    ['has a lower clock than the one before it', revision(3, 1), [decided(1, 2), decided(2, 2)], 'further'],
  ])('%s', (_what, asked, decisions, standing) => {
    expect(standingOf(asked, decisions)).toBe(standing);
  });
});
