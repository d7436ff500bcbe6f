import { type Kysely, sql, type Transaction } from 'kysely';

import { TooManyProcedureStepsError } from '../domain/procedure-step-errors.js';
import type { DimseIngestTables } from './tables.js';

export interface StepLimits {
  readonly steps: number;
  readonly bytes: number;
}

const gib = 1024 ** 3;
/** A large hospital has some 3,000 steps a day, of 10 KiB: 270,000 and 3 GB in the 90 days they are kept. */
export const stepLimitsOfAll: StepLimits = { steps: 1_000_000, bytes: 16 * gib };
/** A modality that loops leaves room for the others; a broker may speak for all of a hospital. */
export const stepLimitsOfOne: StepLimits = { steps: 400_000, bytes: 4 * gib };

export interface StepRoomChange {
  /** AE title that created the step. */
  readonly source: string;
  /** 1 for a new one, else 0. */
  readonly steps: number;
  /** More, or (negative) fewer. */
  readonly bytes: number;
}

/**
 * Takes room for a step, in the transaction that writes it and after its row is locked. What ends a step that is known
 * may need no more rows, so only its bytes are held against the limits.
 * @throws {TooManyProcedureStepsError} there is none, of this AE or of all
 */
export async function takeStepRoom(
  trx: Transaction<DimseIngestTables>,
  { source, steps, bytes }: StepRoomChange,
  ofAll: StepLimits,
  ofOne: StepLimits,
): Promise<void> {
  await sql`
    insert into procedure_step_room (source, steps, bytes) values (${source}, ${steps}, ${bytes})
    on conflict (source) do update set steps = procedure_step_room.steps + excluded.steps,
      bytes = procedure_step_room.bytes + excluded.bytes`.execute(trx);
  if (steps === 0 && bytes <= 0) return;
  const { rows } = await sql<{ full: boolean }>`
    select (${steps} > 0 and (sum(steps) > ${ofAll.steps} or sum(steps) filter (where source = ${source}) > ${ofOne.steps}))
      or sum(bytes) > ${ofAll.bytes} or sum(bytes) filter (where source = ${source}) > ${ofOne.bytes} as full
    from procedure_step_room`.execute(trx);
  if (rows[0]?.full) throw new TooManyProcedureStepsError();
}

/** Forgets some steps that nobody changed for this long, and gives their room back. @returns how many */
export async function forgetSteps(db: Kysely<DimseIngestTables>, days: number, rowsMax: number): Promise<number> {
  const { rows } = await sql<{ forgotten: number }>`
    with old as (
      select sop_instance_uid from procedure_step where updated_at < now() - make_interval(days => ${days}::int)
      limit ${rowsMax} for update skip locked
    ), gone as (
      delete from procedure_step s using old where s.sop_instance_uid = old.sop_instance_uid
      returning s.source, s.byte_count
    ), freed as (
      update procedure_step_room r set steps = r.steps - of.steps, bytes = r.bytes - of.bytes
      from (select source, count(*) as steps, sum(byte_count) as bytes from gone group by source) of
      where r.source = of.source
    )
    select count(*)::int as forgotten from gone`.execute(db);
  await sql`delete from procedure_step_room where steps <= 0`.execute(db);
  return rows[0]?.forgotten ?? 0;
}
