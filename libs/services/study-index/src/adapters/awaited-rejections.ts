import { type Kysely, sql } from 'kysely';

import type { AwaitedRejection, AwaitedRejections } from '../application/judge-rejected.js';
import type { RejectedInstance, RejectionNote } from '../domain/rejection-note.js';
import type { StudyIndexTables } from './tables.js';

/** A study of which nothing is indexed so long after a note, the note neither, is gone; before, it may be on its way. */
const studyGoneHours = 24;

/** What rejection notes name before it came, as rows of PostgreSQL. */
export class PostgresAwaitedRejections implements AwaitedRejections {
  constructor(private readonly db: Kysely<StudyIndexTables>) {}

  async add(note: RejectionNote, instances: readonly RejectedInstance[]): Promise<void> {
    await sql`
      insert into awaited_rejection (study_instance_uid, sop_instance_uid, note_uid, patient_id, issuer_of_patient_id)
      select distinct ${note.studyInstanceUid}, one.sop, ${note.sopInstanceUid}, ${note.patientId}, ${note.issuerOfPatientId}
      from unnest(${instances.map(({ sopInstanceUid }) => sopInstanceUid)}::text[]) as one (sop)
      where not exists (select 1 from instance i where i.sop_instance_uid = one.sop)
      on conflict (study_instance_uid, sop_instance_uid) do update set note_uid = excluded.note_uid,
        patient_id = excluded.patient_id, issuer_of_patient_id = excluded.issuer_of_patient_id, named_at = now()`.execute(
      this.db,
    );
  }

  async of(studyInstanceUid: string, sopInstanceUid: string): Promise<AwaitedRejection | undefined> {
    return this.db
      .selectFrom('awaited_rejection')
      .select(['note_uid as noteUid', 'patient_id as patientId', 'issuer_of_patient_id as issuerOfPatientId'])
      .where('study_instance_uid', '=', studyInstanceUid)
      .where('sop_instance_uid', '=', sopInstanceUid)
      .executeTakeFirst();
  }

  async forget(studyInstanceUid: string, sopInstanceUid: string): Promise<void> {
    await this.db
      .deleteFrom('awaited_rejection')
      .where('study_instance_uid', '=', studyInstanceUid)
      .where('sop_instance_uid', '=', sopInstanceUid)
      .execute();
  }

  async forgetOld(days: number): Promise<number> {
    const { numAffectedRows } = await sql`
      delete from awaited_rejection a where a.named_at < now() - make_interval(days => ${days}::int)
        or (a.named_at < now() - make_interval(hours => ${studyGoneHours}::int) and not exists (
          select 1 from instance i where i.study_instance_uid = a.study_instance_uid))`.execute(this.db);
    return Number(numAffectedRows ?? 0n);
  }
}
