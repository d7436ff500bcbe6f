import type { Database } from '@callosum/database';
import type { Observation } from '@callosum/fhir';
import { sql, type Transaction } from 'kysely';

import { ClaimLostError } from '../../application/errors.js';
import type { ClaimedPublication, WrittenLedger } from '../../application/ports.js';
import type { ResourceKey } from '../../domain/fhir/patient-resources.js';
import type { Tables } from './tables.js';

/** What of a study went to FHIR and archive, as rows that are committed before it goes. */
export class PostgresWrittenLedger implements WrittenLedger {
  constructor(private readonly database: Database<Tables>) {}

  async aboutToWrite(claim: ClaimedPublication, keys: readonly ResourceKey[]): Promise<void> {
    const study_instance_uid = claim.studyInstanceUid;
    const rows = keys.map(({ resourceType, system, value }) => ({
      study_instance_uid,
      resource_type: resourceType,
      system,
      value,
    }));
    await this.fenced(claim, async (trx) => {
      if (rows.length > 0)
        await trx
          .insertInto('written_resource')
          .values(rows)
          .onConflict((on) => on.doNothing())
          .execute();
    });
  }

  async aboutToIssue(claim: ClaimedPublication, sopInstanceUids: readonly string[]): Promise<void> {
    const { studyInstanceUid, id } = claim;
    await this.fenced(claim, async (trx) => {
      await trx
        .insertInto('issued_instance')
        .values(
          sopInstanceUids.map((uid) => ({
            sop_instance_uid: uid,
            study_instance_uid: studyInstanceUid,
            publication_id: id,
          })),
        )
        .onConflict((on) => on.doNothing())
        .execute();
    });
  }

  async written(studyInstanceUid: string): Promise<readonly ResourceKey[]> {
    const rows = await this.database.db
      .selectFrom('written_resource')
      .select(['resource_type as resourceType', 'system', 'value'])
      .where('study_instance_uid', '=', studyInstanceUid)
      .execute();
    return rows;
  }

  async outdatedInstances({ id, kind, studyInstanceUid, modelKey }: ClaimedPublication): Promise<ReadonlySet<string>> {
    const { rows } = await sql<{ uid: string }>`
      select i.sop_instance_uid as uid from issued_instance i
      where i.study_instance_uid = ${studyInstanceUid} and not exists (
        select 1 from publication p
        where p.id = i.publication_id and p.id <> ${id} and p.state = 'published'
          -- A result takes the place of every other of its model.
          and not (${kind}::text = 'result' and p.model_key = ${modelKey ?? ''}::text)
          and i.sop_instance_uid in (p.seg_sop_instance_uid, p.sr_sop_instance_uid))`.execute(this.database.db);
    return new Set(rows.map(({ uid }) => uid));
  }

  async earlierObservations({ id, studyInstanceUid, modelKey }: ClaimedPublication): Promise<readonly Observation[]> {
    const rows = await this.database.db
      .selectFrom('publication')
      .select('observations')
      .where('study_instance_uid', '=', studyInstanceUid)
      .where('model_key', '=', modelKey ?? '')
      .where('id', '<>', id)
      .execute();
    return rows.flatMap(({ observations }) => observations ?? []);
  }

  async modelObservations({ studyInstanceUid, modelKey }: ClaimedPublication): Promise<readonly Observation[]> {
    const rows = await this.database.db
      .selectFrom('publication')
      .select('observations')
      .where('study_instance_uid', '=', studyInstanceUid)
      .where('model_key', '=', modelKey ?? '')
      .execute();
    return rows.flatMap(({ observations }) => observations ?? []);
  }

  async issuedBy({ id, studyInstanceUid }: ClaimedPublication): Promise<readonly string[]> {
    const rows = await this.database.db
      .selectFrom('issued_instance')
      .select('sop_instance_uid')
      .where('study_instance_uid', '=', studyInstanceUid)
      .where('publication_id', '=', id)
      .execute();
    return rows.map((row) => row.sop_instance_uid);
  }

  async hasResult({ studyInstanceUid, modelKey }: ClaimedPublication): Promise<boolean> {
    const row = await this.database.db
      .selectFrom('publication')
      .select('id')
      .where('study_instance_uid', '=', studyInstanceUid)
      .where('model_key', '=', modelKey ?? '')
      .where('kind', '=', 'result')
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Nothing is remembered for a worker that was overtaken: it must not go on. */
  private async fenced(
    { studyInstanceUid, fence }: ClaimedPublication,
    work: (trx: Transaction<Tables>) => Promise<void>,
  ): Promise<void> {
    await this.database.db.transaction().execute(async (trx) => {
      const study = await trx
        .selectFrom('study')
        .select('fence')
        .where('study_instance_uid', '=', studyInstanceUid)
        .where('fence', '=', fence)
        .forShare()
        .executeTakeFirst();
      if (!study) throw new ClaimLostError();
      await work(trx);
    });
  }
}
