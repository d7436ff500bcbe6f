import { imaging, topics } from '@callosum/contracts';
import type { Outbox, OutboxContext } from '@callosum/event-log';
import type { Clock } from '@callosum/kernel';
import { sql, type Kysely, type Transaction } from 'kysely';

import { type IndexedCount, judgeStated, nothingStated, type StatedCompleteness } from '../domain/completeness.js';
import type { ProcedureStep } from '../domain/procedure-step.js';
import { jsonColumn } from './json-column.js';
import type { StudyIndexTables } from './tables.js';
import { withheldCounts } from './withheld.js';

/** An examination is long over by then; what a revision rested on is kept with it. */
const stepKeptDays = 30;

type Db = Kysely<StudyIndexTables>;

/** Those in progress first; a study has a handful. */
export async function stepsOf(db: Db, studyInstanceUid: string): Promise<ProcedureStep[]> {
  const rows = await db
    .selectFrom('procedure_step')
    .selectAll()
    .where('study_instance_uid', '=', studyInstanceUid)
    .orderBy(sql`status <> 'in-progress'`)
    .orderBy('procedure_step_uid')
    .execute();
  return rows.map((row) => ({
    procedureStepUid: row.procedure_step_uid,
    stepRevision: row.step_revision,
    status: row.status,
    series: row.series,
    studyCount: row.study_count,
    discontinuationReason:
      row.reason_value === null ? undefined : { value: row.reason_value, scheme: row.reason_scheme ?? '' },
    source: row.source,
    changedAt: row.changed_at,
  }));
}

export async function putStep(db: Db, studyInstanceUid: string, step: ProcedureStep): Promise<void> {
  const values = {
    step_revision: step.stepRevision,
    status: step.status,
    series: jsonColumn(step.series),
    study_count: step.studyCount,
    reason_value: step.discontinuationReason?.value ?? null,
    reason_scheme: step.discontinuationReason?.scheme ?? null,
    source: step.source,
    changed_at: step.changedAt,
    recorded_at: sql<Date>`now()`,
  };
  await db
    .insertInto('procedure_step')
    .values({ study_instance_uid: studyInstanceUid, procedure_step_uid: step.procedureStepUid, ...values })
    .onConflict((on) => on.columns(['study_instance_uid', 'procedure_step_uid']).doUpdateSet(values))
    .execute();
}

/** The steps of a study, and what they make of its series as they are now. */
export async function judgeStudy(
  db: Db,
  studyInstanceUid: string,
): Promise<{ readonly steps: readonly ProcedureStep[]; readonly judged: StatedCompleteness }> {
  const steps = await stepsOf(db, studyInstanceUid);
  // Nearly every study of a site without procedure steps ends here.
  if (steps.length === 0) return { steps, judged: nothingStated };
  const own = await countsOf(db).where('study_instance_uid', '=', studyInstanceUid).execute();
  const ofStudy = new Set(own.map(({ seriesInstanceUid }) => seriesInstanceUid));
  const elsewhere = await otherCounts(db, steps, ofStudy);
  const counts = addUp([...own, ...elsewhere, ...(await withheldCounts(db, studyInstanceUid))]);
  return { steps, judged: judgeStated(steps, counts, ofStudy) };
}

/** What is withheld was received, or nobody waits for it: it is not missing. */
function addUp(counts: readonly IndexedCount[]): IndexedCount[] {
  const bySeries = new Map<string, number>();
  for (const { seriesInstanceUid, sourceInstances } of counts)
    bySeries.set(seriesInstanceUid, (bySeries.get(seriesInstanceUid) ?? 0) + sourceInstances);
  return [...bySeries].map(([seriesInstanceUid, sourceInstances]) => ({ seriesInstanceUid, sourceInstances }));
}

const countsOf = (db: Db) =>
  db
    .selectFrom('series')
    .select(['series_instance_uid as seriesInstanceUid', 'source_instance_count as sourceInstances']);

/** A step of several studies does not say which series is of which: one that is in another study is not missing here. */
async function otherCounts(
  db: Db,
  steps: readonly ProcedureStep[],
  ofStudy: ReadonlySet<string>,
): Promise<readonly IndexedCount[]> {
  const named = new Set(
    steps
      .filter(({ studyCount }) => studyCount > 1)
      .flatMap(({ series }) => series.map(({ seriesInstanceUid }) => seriesInstanceUid))
      .filter((uid) => !ofStudy.has(uid)),
  );
  return named.size === 0
    ? []
    : countsOf(db)
        .where('series_instance_uid', 'in', [...named])
        .execute();
}

/** What is told of series, and on what evidence. */
export interface WholeSeries {
  readonly studyInstanceUid: string;
  readonly revision: number;
  readonly seriesInstanceUids: readonly string[];
  readonly evidence: imaging.CompletenessEvidence;
}

/** One fact for each of these source series that was not told of in this revision. */
export async function tellWholeSeries(
  trx: Transaction<StudyIndexTables>,
  outbox: Outbox,
  clock: Clock,
  { studyInstanceUid, revision, seriesInstanceUids, evidence }: WholeSeries,
  context: OutboxContext = {},
): Promise<void> {
  if (seriesInstanceUids.length === 0) return;
  const told = await trx
    .updateTable('series')
    .set({ told_revision: revision })
    .where('study_instance_uid', '=', studyInstanceUid)
    .where('series_instance_uid', 'in', [...seriesInstanceUids])
    .where('source_instance_count', '>', 0)
    .where(sql<boolean>`coalesce(told_revision, 0) < ${revision}`)
    .returning(['series_instance_uid', 'modality', 'source_instance_count'])
    .execute();
  if (told.length === 0) return;
  const completedAt = clock.now().toISOString();
  const discontinued = new Set(
    (await stepsOf(trx, studyInstanceUid))
      .filter(({ status }) => status === 'discontinued')
      .flatMap(({ series }) => series.map((one) => one.seriesInstanceUid)),
  );
  for (const row of told) {
    const fact: imaging.SeriesCompleted = {
      studyInstanceUid,
      revision,
      seriesInstanceUid: row.series_instance_uid,
      modality: row.modality,
      instanceCount: row.source_instance_count,
      evidence,
      completedAt,
      discontinued: discontinued.has(row.series_instance_uid),
    };
    await outbox.add(trx, topics.seriesCompleted, fact, context);
  }
}

/** Steps that nobody told anything of for long. Their study is complete, or never came. */
export async function forgetOldSteps(db: Db): Promise<void> {
  await db
    .deleteFrom('procedure_step')
    .where('recorded_at', '<', sql<Date>`now() - make_interval(days => ${stepKeptDays})`)
    .execute();
}

const statusOf = {
  'in-progress': imaging.ProcedureStepStatus.PROCEDURE_STEP_STATUS_IN_PROGRESS,
  discontinued: imaging.ProcedureStepStatus.PROCEDURE_STEP_STATUS_DISCONTINUED,
  completed: imaging.ProcedureStepStatus.PROCEDURE_STEP_STATUS_COMPLETED,
} as const;

/** A step as the completion of its study carries it. */
export const stepEvidence = (step: ProcedureStep): imaging.ProcedureStepEvidence => ({
  procedureStepUid: step.procedureStepUid,
  status: statusOf[step.status],
  discontinuationReason: step.discontinuationReason,
});
