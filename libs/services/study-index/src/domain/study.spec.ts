import { describe, expect, it } from 'vitest';

import { advance, quietPeriods, type StudyProgress } from './study.js';

const receiving: StudyProgress = { revision: 1, state: 'receiving', identityDigest: 'a' };
const complete: StudyProgress = { ...receiving, state: 'complete' };

describe('a study advances', () => {
  it('is created by its first source instance, also after instances Callosum issued', () => {
    const empty: StudyProgress = { revision: 0, state: 'complete', identityDigest: 'x' };
    expect(advance(empty, 'source', 'a')).toEqual({
      progress: receiving,
      changes: ['created'],
      restartsQuietPeriod: true,
    });
  });

  it('takes further instances without telling anyone', () => {
    expect(advance(receiving, 'source', 'a')).toEqual({ progress: receiving, changes: [], restartsQuietPeriod: true });
  });

  it('reopens with the next revision when a source instance comes late', () => {
    expect(advance(complete, 'source', 'a')).toEqual({
      progress: { ...receiving, revision: 2 },
      changes: ['reopened'],
      restartsQuietPeriod: true,
    });
  });

  it('tells of identity once it changed', () => {
    expect(advance(receiving, 'source', 'b').changes).toEqual(['identity']);
    expect(advance(complete, 'source', 'b').changes).toEqual(['reopened', 'identity']);
  });

  it('asks nobody whose it is once its last instance left, and again when one comes back', () => {
    const emptied = advance(complete, 'source', '');
    expect(emptied.changes).toEqual(['reopened']);
    expect(advance(emptied.progress, 'source', 'a').changes).toEqual(['identity']);
  });

  it.each([receiving, complete])('opens nothing for what Callosum issued', (before) => {
    expect(advance(before, 'issued', 'a')).toEqual({
      progress: before,
      changes: ['results'],
      restartsQuietPeriod: false,
    });
  });

  it('tells nothing when rows are written again', () => {
    expect(advance(complete, 'none', 'a')).toEqual({ progress: complete, changes: [], restartsQuietPeriod: false });
  });
});

describe('quiet periods', () => {
  it('shorten after a release, within bounds', () => {
    expect(quietPeriods(10_000)).toEqual({ quietPeriodMs: 10_000, releasedQuietPeriodMs: 1_000 });
    expect(quietPeriods(500)).toEqual({ quietPeriodMs: 500, releasedQuietPeriodMs: 500 });
    expect(quietPeriods(5_000, 9_000).releasedQuietPeriodMs).toBe(5_000);
    expect(quietPeriods(5_000, 0).releasedQuietPeriodMs).toBe(200);
  });
});
