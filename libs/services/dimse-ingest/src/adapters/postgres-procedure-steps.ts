import { topics } from '@callosum/contracts';
import type { Database } from '@callosum/database';
import type { DicomJson } from '@callosum/dicom';
import type { Outbox } from '@callosum/event-log';
import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';

import type { ProcedureSteps, StepChange } from '../application/ports.js';
import { ProcedureStep } from '../domain/procedure-step.js';
import type { DimseIngestTables, ProcedureStepTable } from './tables.js';

/** Rows one statement forgets: short enough to hold nobody up. */
const forgetRowsMax = 1_000;

/** Procedure steps in PostgreSQL, each change in one transaction with its outbox rows. */
export class PostgresProcedureSteps implements ProcedureSteps {
  constructor(
    private readonly database: Database<DimseIngestTables>,
    private readonly outbox: Outbox,
  ) {}

  change(
    sopInstanceUid: string,
    correlationId: string,
    work: (known: ProcedureStep | undefined) => StepChange | undefined,
  ): Promise<boolean> {
    return this.database.db.transaction().execute(async (trx) => {
      let known = await lock(trx, sopInstanceUid);
      let change = work(known);
      if (change && !known && !(await insert(trx, change.step))) {
        // Created by another request since it was looked for.
        known = await lock(trx, sopInstanceUid);
        change = work(known);
      }
      if (!change) return false;
      if (known) await update(trx, change.step);
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
      const { numAffectedRows } = await sql`
        delete from procedure_step where ctid = any (array(
          select ctid from procedure_step where updated_at < now() - make_interval(days => ${days}::int)
          limit ${forgetRowsMax}))`.execute(this.database.db);
      forgotten += Number(numAffectedRows ?? 0n);
      if (Number(numAffectedRows ?? 0n) < forgetRowsMax) return forgotten;
    }
  }
}

const select = (db: Kysely<DimseIngestTables>, sopInstanceUid: string) =>
  db.selectFrom('procedure_step').selectAll().where('sop_instance_uid', '=', sopInstanceUid);

async function lock(trx: Transaction<DimseIngestTables>, sopInstanceUid: string): Promise<ProcedureStep | undefined> {
  const row = await select(trx, sopInstanceUid).forUpdate().executeTakeFirst();
  return row && stepOf(row);
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

const valuesOf = ({ state, status }: ProcedureStep) => ({
  revision: state.revision,
  status,
  source: state.source,
  attributes: JSON.stringify(state.attributes),
  created_digest: state.createdDigest,
  set_digest: state.setDigest,
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
