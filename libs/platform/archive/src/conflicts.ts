import { count, type Logger } from '@callosum/telemetry';

/** What a person must look at: two different objects claim one SOPInstanceUID. */
export type Conflict = 'conflicting-pixels' | 'conflicting-study';
export const isConflict = (status: string): status is Conflict =>
  status === 'conflicting-pixels' || status === 'conflicting-study';

/** Tells people of an object that was kept beside the first of its UID: an error in the log, and a number to alert on. */
export function tellConflict(
  logger: Logger,
  status: string,
  fields: {
    readonly sopInstanceUid: string;
    readonly studyInstanceUid: string;
    readonly source: string;
    /** Nothing of it was kept. */
    readonly refused?: boolean;
  },
): void {
  if (!isConflict(status)) return;
  logger.error(fields, `archive.${status}`);
  count('callosum.archive.conflicts', 1, { 'callosum.decision': status });
}
