import type { operations } from '@callosum/contracts';

/** What one service knows of a study; nothing of it may tell whose it is. */
export interface StudyStatusPart extends Partial<
  Pick<
    operations.GetStudyStatusResponse,
    'intake' | 'completeness' | 'identity' | 'inference' | 'publications' | 'publicationsTotal'
  >
> {
  /** `traceparent` of what it holds, newest first. */
  readonly traceparents?: readonly (string | null)[];
}

/** The port a service implements to tell where a study is. Empty for a study it never heard of. */
export type StudyStatusSource = (studyInstanceUid: string) => Promise<StudyStatusPart>;
