import { topics } from '@callosum/contracts';
import type { Database } from '@callosum/database';
import type { DicomJson } from '@callosum/dicom';
import type { Outbox } from '@callosum/event-log';
import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';

import type { ProcedureSteps, StepChange } from '../application/ports.js';
import { ProcedureStep } from '../domain/procedure-step.js';
import { forgetSteps, stepLimitsOfAll, stepLimitsOfOne, takeStepRoom } from './step-room.js';
import type { DimseIngestTables, ProcedureStepTable } from './tables.js';

/** Rows one statement forgets: short enough to hold nobody up. */
const forgetRowsMax = 1_000;

/** Procedure steps in PostgreSQL, each change in one transaction with its outbox rows. */
export class PostgresProcedureSteps implements ProcedureSteps {
  constructor(
    private readonly database: Database<DimseIngestTables>,
    private readonly outbox: Outbox,
    private readonly ofAll = stepLimitsOfAll,
    private readonly ofOne = stepLimitsOfOne,
  ) {}

  change(
    sopInstanceUid: string,
    correlationId: string,
    work: (known: ProcedureStep | undefined) => StepChange | undefined,
  ): Promise<boolean> {
    return this.database.db.transaction().execute(async (trx) => {
      let known = await lock(trx, sopInstanceUid);
      let change = work(known?.step);
      if (change && !known && !(await insert(trx, change.step))) {
        // Created by another request since it was looked for.
        known = await lock(trx, sopInstanceUid);
        change = work(known?.step);
      }
      if (!change) return false;
      const { step } = change;
      if (known) await update(trx, step);
      const room = { source: step.state.source, steps: known ? 0 : 1, bytes: bytesOf(step) - (known?.byteCount ?? 0) };
      await takeStepRoom(trx, room, this.ofAll, this.ofOne);
      for (const fact of change.facts) await this.outbox.add(trx, topics.procedureStepChanged, fact, { correlationId });
      return true;
    });
  }

  async find(sopInstanceUid: string): Promise<ProcedureStep | undefined> {
    const row = await select(this.database.db, sopInstanceUid).executeTakeFirst();
    return row && stepOf(row);
  }

  async forget(days: number): Promise<number> {
    for (let forgotten = 0; ;) {
      const rows = await forgetSteps(this.database.db, days, forgetRowsMax);
      forgotten += rows;
      if (rows < forgetRowsMax) return forgotten;
    }
  }
}

const select = (db: Kysely<DimseIngestTables>, sopInstanceUid: string) =>
  db.selectFrom('procedure_step').selectAll().where('sop_instance_uid', '=', sopInstanceUid);

interface KnownStep {
  readonly step: ProcedureStep;
  readonly byteCount: number;
}

async function lock(trx: Transaction<DimseIngestTables>, sopInstanceUid: string): Promise<KnownStep | undefined> {
  const row = await select(trx, sopInstanceUid).forUpdate().executeTakeFirst();
  return row && { step: stepOf(row), byteCount: row.byte_count };
}

async function insert(trx: Transaction<DimseIngestTables>, step: ProcedureStep): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await trx
    .insertInto('procedure_step')
    .values({ sop_instance_uid: step.state.sopInstanceUid, ...valuesOf(step) })
    .onConflict((on) => on.doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

async function update(trx: Transaction<DimseIngestTables>, step: ProcedureStep): Promise<void> {
  await trx
    .updateTable('procedure_step')
    .set({ ...valuesOf(step), updated_at: sql<Date>`now()` })
    .where('sop_instance_uid', '=', step.state.sopInstanceUid)
    .execute();
}

const bytesOf = ({ state }: ProcedureStep): number => Buffer.byteLength(JSON.stringify(state.attributes));

const valuesOf = (step: ProcedureStep) => ({
  revision: step.state.revision,
  status: step.status,
  source: step.state.source,
  attributes: JSON.stringify(step.state.attributes),
  byte_count: bytesOf(step),
  created_digest: step.state.createdDigest,
  set_digest: step.state.setDigest,
});

const stepOf = (row: Selectable<ProcedureStepTable>): ProcedureStep =>
  ProcedureStep.rehydrate({
    sopInstanceUid: row.sop_instance_uid,
    revision: row.revision,
    source: row.source,
    attributes: row.attributes as DicomJson,
    createdDigest: row.created_digest,
    setDigest: row.set_digest,
  });
