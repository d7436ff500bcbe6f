import { type Kysely, sql, type Transaction } from 'kysely';

import type { JobsOfStep } from '../../application/scheduling-ports.js';
import type { HeldReason, StepSeen, StepTold } from '../../domain/scheduling.js';
import type { Tables } from './tables.js';

/** As long as study-index keeps them: an examination is long over by then. */
const stepKeptDays = 30;

export const untouched: JobsOfStep = { held: [], released: [] };

/**
 * Keeps the later word of a step: a step that ended is never in progress again (PS3.4 F.7.2.2.3), and else the higher
 * revision holds. So facts in any order, and more than once, end in the same.
 */
export async function putStep(trx: Transaction<Tables>, studyInstanceUid: string, step: StepTold): Promise<void> {
  await sql`
    insert into procedure_step (study_instance_uid, procedure_step_uid, step_revision, status, wrong_entry)
    values (${studyInstanceUid}, ${step.procedureStepUid}, ${step.stepRevision}, ${step.status},
      ${step.isWrongEntry === true})
    on conflict (study_instance_uid, procedure_step_uid) do update
    set step_revision = excluded.step_revision, status = excluded.status, wrong_entry = excluded.wrong_entry,
      recorded_at = now()
    where case when (procedure_step.status = 'in-progress') <> (excluded.status = 'in-progress')
      then procedure_step.status = 'in-progress'
      else excluded.step_revision > procedure_step.step_revision end`.execute(trx);
}

/** What steps of the study are; a row for those that are the same. */
export function stepsOf(trx: Transaction<Tables>, studyInstanceUid: string): Promise<StepSeen[]> {
  return trx
    .selectFrom('procedure_step')
    .select(['status', 'wrong_entry as isWrongEntry'])
    .distinct()
    .where('study_instance_uid', '=', studyInstanceUid)
    .execute();
}

/**
 * Holds the jobs of a study that wait, and those that would be offered again after their attempt, or releases what was
 * held. What a person let go stays so. An attempt that runs is not taken back.
 */
export async function holdOrRelease(
  trx: Transaction<Tables>,
  studyInstanceUid: string,
  heldReason: HeldReason | null,
): Promise<JobsOfStep> {
  const changing = trx
    .updateTable('job')
    .set({ held_reason: heldReason })
    .where('study_instance_uid', '=', studyInstanceUid)
    .where('state', 'in', ['queued', 'running'])
    .where('held_reason', heldReason === null ? 'is not' : 'is', null);
  const rows = await (heldReason === null ? changing : changing.where('released_at', 'is', null))
    .returning('id')
    .execute();
  const ids = rows.map(({ id }) => id);
  return heldReason === null ? { held: [], released: ids } : { held: ids, released: [] };
}

export async function forgetOldSteps(db: Kysely<Tables>): Promise<void> {
  await db
    .deleteFrom('procedure_step')
    .where('recorded_at', '<', sql<Date>`now() - make_interval(days => ${stepKeptDays})`)
    .execute();
}
