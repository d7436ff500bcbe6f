import type { imaging } from '@callosum/contracts';
import type { Transaction } from 'kysely';

import type { StatedCompleteness } from '../domain/completeness.js';
import type { ProcedureStep } from '../domain/procedure-step.js';
import { jsonColumn } from './json-column.js';
import type { StudyIndexTables } from './tables.js';

/** Series with source instances, as a completion tells of them. */
export const sourceSeriesOf = (trx: Transaction<StudyIndexTables>, studyInstanceUid: string) =>
  trx
    .selectFrom('series')
    .select(['series_instance_uid as seriesInstanceUid', 'modality', 'source_instance_count as instanceCount'])
    .where('study_instance_uid', '=', studyInstanceUid)
    .where('source_instance_count', '>', 0)
    .orderBy('series_number')
    .orderBy('series_instance_uid')
    .execute();

/** A completion of a study. */
interface Closing {
  readonly studyInstanceUid: string;
  readonly revision: number;
  readonly evidence: imaging.CompletenessEvidence;
  readonly series: readonly imaging.SeriesSummary[];
  readonly steps: readonly ProcedureStep[];
  readonly judged: StatedCompleteness;
  readonly completedAt: Date;
}

/** The study is complete, and its revision keeps what that rests on. */
export async function closeRevision(trx: Transaction<StudyIndexTables>, closing: Closing): Promise<void> {
  const { studyInstanceUid, revision, evidence, series, steps, judged, completedAt } = closing;
  await trx
    .updateTable('study')
    .set({
      state: 'complete',
      quiet_until: null,
      completed_at: completedAt,
      waiting_since: null,
      waiting_told_at: null,
      held_since: null,
    })
    .where('study_instance_uid', '=', studyInstanceUid)
    .execute();
  const kept = steps.map(({ procedureStepUid, status, series: stated }) => ({
    procedureStepUid,
    status,
    instances: stated.reduce((sum, { instanceCount }) => sum + instanceCount, 0),
  }));
  const closed = {
    evidence,
    series: jsonColumn(series),
    completed_at: completedAt,
    procedure_steps: jsonColumn(kept),
    stated_missing: judged.missing,
  };
  await trx
    .insertInto('revision')
    .values({ study_instance_uid: studyInstanceUid, revision, ...closed })
    .onConflict((on) => on.columns(['study_instance_uid', 'revision']).doUpdateSet(closed))
    .execute();
}
