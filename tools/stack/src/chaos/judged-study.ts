import { sopClasses } from './judge-objects.js';
import type { Job, JobPublication, StudyState, SystemState } from './judge-state.js';

// What the tests of the judge plant their defects in: a study of which everything holds.

export const perResult = { observations: 1, segmentations: 1, reports: 1 };
export const uid = '1.2.3';
export const [seg, sr, earlierSeg, earlierSr] = ['seg-2', 'sr-2', 'seg-1', 'sr-1'];

/** Three jobs of a study whose later series came twice: one was replaced after it was published, one before it ended. */
export const jobs: readonly Job[] = [
  { id: 'job-1', state: 'completed' },
  { id: 'job-2', state: 'completed' },
  { id: 'job-3', state: 'superseded' },
];
export const publication = (
  jobId: string,
  names: readonly string[],
  more: Partial<JobPublication> = {},
): JobPublication => ({
  jobId,
  kind: 'result',
  state: 'published',
  published: true,
  names,
  made: names,
  ...more,
});
export const publications = [
  publication('job-1', [earlierSeg, earlierSr], { state: 'superseded' }),
  publication('job-2', [seg, sr]),
  publication('job-3', [], { kind: 'failure' }),
];
export const issued = [
  { sop: earlierSeg, sopClass: sopClasses.seg },
  { sop: earlierSr, sopClass: sopClasses.sr },
  { sop: seg, sopClass: sopClasses.seg },
  { sop: sr, sopClass: sopClasses.sr },
];
export const study: StudyState = {
  indexed: new Set(['ct-1', 'ct-2']),
  complete: true,
  decision: 'linked',
  jobs,
  publications,
  issued,
};
export const stateOf = (change: Partial<StudyState> = {}): SystemState => ({
  studies: new Map([[uid, { ...study, ...change }]]),
  ledger: new Set(['ct-1', 'ct-2']),
  outboxRows: 0,
  parked: [],
  parkedPublications: 0,
});
