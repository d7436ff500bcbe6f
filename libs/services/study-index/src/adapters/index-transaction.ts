import { imaging, topics } from '@callosum/contracts';
import type { Outbox } from '@callosum/event-log';
import type { Clock } from '@callosum/kernel';
import { sql, type Transaction } from 'kysely';

import type { IndexedInstance, IndexTransaction, QuietPeriodStart } from '../application/index-instance.js';
import type { ReceivedInstance, Withholding } from '../application/withholdings.js';
import type { StatedCompleteness } from '../domain/completeness.js';
import { NotIndexedError } from '../domain/errors.js';
import type { IdentityAttributes, StudyIdentity } from '../domain/identity.js';
import type { InstanceRecord } from '../domain/instance.js';
import { nameKeys } from '../domain/levels.js';
import type { ProcedureStep } from '../domain/procedure-step.js';
import type { StudyProgress } from '../domain/study.js';
import { findInstances } from './found-instances.js';
import { identityVersions } from './identity-versions.js';
import { putInstances } from './put-instances.js';
import { emptyStudy } from './rows.js';
import { judgeStudy, putStep, stepsOf, tellWholeSeries } from './statements.js';
import { refreshSeries, refreshStudy } from './summaries.js';
import type { StudyIndexTables } from './tables.js';
import { deleteInstances, receiveWithheld, recordWithholding, withheldOf } from './withheld.js';

/** Where the event being handled came from: the completion that follows belongs to its trace. */
export interface Provenance {
  readonly traceparent?: string | undefined;
  readonly correlationId?: string | undefined;
}

/** The index in PostgreSQL, within one transaction of the caller. */
export class PostgresIndexTransaction implements IndexTransaction {
  constructor(
    private readonly trx: Transaction<StudyIndexTables>,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
    private readonly provenance: Provenance = {},
    /** Read attributes again though their bytes are known: a rebuild with a newer reader. */
    private readonly force = false,
  ) {}

  async lockStudies(uids: readonly string[], first?: InstanceRecord): Promise<ReadonlyMap<string, StudyProgress>> {
    const locked = new Map<string, StudyProgress>();
    for (const uid of uids) {
      let row = await this.lockStudy(uid);
      // Nearly every instance is of a study that has a row.
      if (!row && first) {
        await lockArrival(this.trx, uid);
        await this.trx
          .insertInto('study')
          .values(emptyStudy(uid, first))
          .onConflict((on) => on.doNothing())
          .execute();
        row = await this.lockStudy(uid);
      }
      if (!row) throw new NotIndexedError('study', uid);
      locked.set(uid, progressOf(row));
    }
    return locked;
  }

  async lockStudyOfStep(studyInstanceUid: string): Promise<StudyProgress | undefined> {
    let row = await this.lockStudy(studyInstanceUid);
    if (!row) {
      await lockArrival(this.trx, studyInstanceUid);
      row = await this.lockStudy(studyInstanceUid);
    }
    return row && progressOf(row);
  }

  stepsOf(studyInstanceUid: string): Promise<readonly ProcedureStep[]> {
    return stepsOf(this.trx, studyInstanceUid);
  }

  putStep(studyInstanceUid: string, step: ProcedureStep): Promise<void> {
    return putStep(this.trx, studyInstanceUid, step);
  }

  async judge(studyInstanceUid: string): Promise<StatedCompleteness> {
    return (await judgeStudy(this.trx, studyInstanceUid)).judged;
  }

  tellWholeSeries(studyInstanceUid: string, revision: number, seriesInstanceUids: readonly string[]): Promise<void> {
    const evidence = imaging.CompletenessEvidence.COMPLETENESS_EVIDENCE_STATED_COUNT;
    const whole = { studyInstanceUid, revision, seriesInstanceUids, evidence };
    return tellWholeSeries(this.trx, this.outbox, this.clock, whole);
  }

  async lookNow(studyInstanceUid: string): Promise<void> {
    await this.trx
      .updateTable('study')
      .set({ quiet_until: sql<Date>`now()`, held_since: null })
      .where('study_instance_uid', '=', studyInstanceUid)
      .where('state', '=', 'receiving')
      .execute();
  }

  async lookAgainIfHeld(studyInstanceUid: string): Promise<void> {
    await this.trx
      .updateTable('study')
      .set({ quiet_until: sql<Date>`now()`, held_since: null })
      .where('study_instance_uid', '=', studyInstanceUid)
      .where('state', '=', 'receiving')
      .where('held_since', 'is not', null)
      .execute();
  }

  private lockStudy(uid: string) {
    return this.trx
      .selectFrom('study')
      .select(['revision', 'state', 'identity_digest'])
      .where('study_instance_uid', '=', uid)
      .forUpdate()
      .executeTakeFirst();
  }

  async findInstance(sopInstanceUid: string): Promise<IndexedInstance | undefined> {
    return (await this.findInstances([sopInstanceUid])).get(sopInstanceUid);
  }

  findInstances(sopInstanceUids: readonly string[]): Promise<ReadonlyMap<string, IndexedInstance>> {
    return findInstances(this.trx, sopInstanceUids);
  }

  putInstances(records: readonly InstanceRecord[]): Promise<void> {
    return putInstances(this.trx, records);
  }

  withheldOf(studyInstanceUid: string, sopInstanceUids: readonly string[]): Promise<ReadonlySet<string>> {
    return withheldOf(this.trx, studyInstanceUid, sopInstanceUids);
  }

  recordWithholding(withholding: Withholding, withheld: boolean): Promise<readonly string[]> {
    return recordWithholding(this.trx, withholding, withheld);
  }

  receiveWithheld(instance: ReceivedInstance): Promise<void> {
    return receiveWithheld(this.trx, instance);
  }

  deleteInstances(studyInstanceUid: string, sopInstanceUids: readonly string[]) {
    return deleteInstances(this.trx, studyInstanceUid, sopInstanceUids);
  }

  async deleteInstance(sopInstanceUid: string): Promise<void> {
    await this.trx.deleteFrom('instance').where('sop_instance_uid', '=', sopInstanceUid).execute();
  }

  summariseSeries(studyInstanceUid: string, seriesInstanceUid: string): Promise<void> {
    return refreshSeries(this.trx, studyInstanceUid, seriesInstanceUid, this.force);
  }

  identityVersions(studyInstanceUid: string): Promise<readonly IdentityAttributes[]> {
    return identityVersions(this.trx, studyInstanceUid);
  }

  async saveStudy(
    studyInstanceUid: string,
    progress: StudyProgress,
    identity: StudyIdentity,
    quietPeriod: QuietPeriodStart | undefined,
  ): Promise<void> {
    const name = nameKeys(identity.patientName);
    const own = {
      revision: progress.revision,
      state: progress.state,
      identity_digest: identity.digest,
      inconsistent: identity.inconsistent,
      patient_id: identity.patientId,
      issuer_of_patient_id: identity.issuerOfPatientId,
      issuer_universal_entity_id: identity.issuerUniversalEntityId,
      issuer_universal_entity_id_type: identity.issuerUniversalEntityIdType,
      patient_name: identity.patientName,
      patient_birth_date: identity.patientBirthDate,
      patient_sex: identity.patientSex,
      name_key: name.alphabetic,
      name_key_ideographic: name.ideographic,
      name_key_phonetic: name.phonetic,
      ...(quietPeriod && this.deadline(studyInstanceUid, quietPeriod)),
    };
    await refreshStudy(this.trx, studyInstanceUid, own, this.force);
  }

  /**
   * The deadline counts on the database's clock, which all replicas share. Once the sender released the association
   * and everything it announced is indexed, the short period holds, whichever of the two facts arrived first.
   */
  private deadline(studyInstanceUid: string, { periods, associationId }: QuietPeriodStart) {
    const { traceparent, correlationId } = this.provenance;
    return {
      quiet_until: sql<Date>`now() + make_interval(secs => case when ${associationDone(studyInstanceUid, associationId)}
        then ${periods.releasedQuietPeriodMs}::float8 else ${periods.quietPeriodMs}::float8 end / 1000)`,
      traceparent: traceparent ?? null,
      correlation_id: correlationId ?? null,
      waiting_since: null,
      waiting_told_at: null,
      held_since: null,
    };
  }

  async tell(update: {
    studyInstanceUid: string;
    progress: StudyProgress;
    changes: imaging.StudyChange[];
  }): Promise<void> {
    await this.outbox.add(this.trx, topics.studyUpdated, {
      studyInstanceUid: update.studyInstanceUid,
      revision: update.progress.revision,
      changes: update.changes,
      identityDigest: update.progress.identityDigest,
      updatedAt: this.clock.now().toISOString(),
    });
  }
}

const progressOf = (row: {
  readonly revision: number;
  readonly state: StudyProgress['state'];
  readonly identity_digest: string;
}): StudyProgress => ({ revision: row.revision, state: row.state, identityDigest: row.identity_digest });

/**
 * Who makes the row of a study and who is told of a step of one without a row wait for each other: neither would see
 * what the other has not committed, and a study of one instance would be held against its step by nobody.
 */
const lockArrival = (trx: Transaction<StudyIndexTables>, studyInstanceUid: string) =>
  sql`select pg_advisory_xact_lock(hashtext('callosum.study-arrival'), hashtext(${studyInstanceUid}))`.execute(trx);

/** True when the association was released and as many instances as it announced are indexed. */
export const associationDone = (studyInstanceUid: string, associationId: string) => sql<boolean>`exists (
  select 1 from release r where r.study_instance_uid = ${studyInstanceUid} and r.association_id = ${associationId}
    and r.instance_count <= (select count(*) from instance i
      where i.association_id = ${associationId} and i.study_instance_uid = ${studyInstanceUid}))`;
