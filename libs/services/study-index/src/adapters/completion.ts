import { imaging, topics } from '@callosum/contracts';
import type { Outbox } from '@callosum/event-log';
import type { Clock } from '@callosum/kernel';
import { withSpan } from '@callosum/telemetry';
import { type Kysely, sql, type Transaction } from 'kysely';

import type { CompletedStudy, CompletionStore, Release } from '../application/complete-studies.js';
import { associationDone } from './index-transaction.js';
import { jsonColumn } from './json-column.js';
import type { StudyIndexTables } from './tables.js';

/** A release whose instances never came is forgotten after this long: the sender has tried again by then. */
const releaseKeptHours = 24;

/** Deadlines of studies as rows of PostgreSQL. */
export class PostgresCompletionStore implements CompletionStore {
  constructor(
    private readonly db: Kysely<StudyIndexTables>,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
    private readonly quietPeriodMs: number,
  ) {}

  /**
   * Claim and completion are one transaction: the claimed row stays locked (other replicas skip it) until the fact is
   * in the outbox, so a replica that dies leaves the deadline as it was and no fencing token is needed to keep a late
   * one out.
   */
  async completeNextDue(): Promise<CompletedStudy | undefined> {
    return this.db.transaction().execute(async (trx) => {
      const due = await trx
        .selectFrom('study')
        .select([
          'study_instance_uid',
          'revision',
          'identity_digest',
          'traceparent',
          'correlation_id',
          'first_stored_at',
        ])
        .where('state', '=', 'receiving')
        .where('quiet_until', '<=', sql<Date>`now()`)
        .orderBy('quiet_until')
        .limit(1)
        .forUpdate()
        .skipLocked()
        .executeTakeFirst();
      if (!due) return undefined;
      return this.complete(trx, due);
    });
  }

  private async complete(
    trx: Transaction<StudyIndexTables>,
    due: {
      study_instance_uid: string;
      revision: number;
      identity_digest: string;
      traceparent: string | null;
      correlation_id: string | null;
      first_stored_at: Date;
    },
  ): Promise<CompletedStudy> {
    const series = await trx
      .selectFrom('series')
      .select(['series_instance_uid as seriesInstanceUid', 'modality', 'source_instance_count as instanceCount'])
      .where('study_instance_uid', '=', due.study_instance_uid)
      .where('source_instance_count', '>', 0)
      .orderBy('series_number')
      .orderBy('series_instance_uid')
      .execute();
    const completedAt = this.clock.now();
    await trx
      .updateTable('study')
      .set({ state: 'complete', quiet_until: null, completed_at: completedAt })
      .where('study_instance_uid', '=', due.study_instance_uid)
      .execute();
    const evidence = imaging.CompletenessEvidence.COMPLETENESS_EVIDENCE_QUIET_PERIOD;
    const closed = { evidence, series: jsonColumn(series), completed_at: completedAt };
    await trx
      .insertInto('revision')
      .values({ study_instance_uid: due.study_instance_uid, revision: due.revision, ...closed })
      .onConflict((on) => on.columns(['study_instance_uid', 'revision']).doUpdateSet(closed))
      .execute();
    const message: imaging.StudyCompleted = {
      studyInstanceUid: due.study_instance_uid,
      revision: due.revision,
      evidence,
      series,
      identityDigest: due.identity_digest,
      completedAt: completedAt.toISOString(),
    };
    const context = due.correlation_id ? { correlationId: due.correlation_id } : {};
    const attributes = { 'dicom.study_instance_uid': due.study_instance_uid };
    // The study waited as a row; its completion goes on in the trace of the instance that came last.
    await withSpan('study-index', 'study.complete', { traceparent: due.traceparent ?? undefined, attributes }, () =>
      this.outbox.add(trx, topics.studyCompleted, message, context),
    );
    return {
      studyInstanceUid: due.study_instance_uid,
      revision: due.revision,
      seriesCount: series.length,
      secondsFromFirstInstance: (completedAt.getTime() - due.first_stored_at.getTime()) / 1000,
    };
  }

  async restartOverdueQuietPeriods(): Promise<void> {
    await this.db
      .updateTable('study')
      .set({ quiet_until: sql`now() + make_interval(secs => ${this.quietPeriodMs}::float8 / 1000)` })
      .where('state', '=', 'receiving')
      .where('quiet_until', '<=', sql<Date>`now()`)
      .execute();
  }

  async forgetOldReleases(): Promise<void> {
    await this.db
      .deleteFrom('release')
      .where('recorded_at', '<', sql<Date>`now() - make_interval(hours => ${releaseKeptHours})`)
      .execute();
  }
}

/** Records a release, and brings the study's deadline nearer when everything it announced is indexed. */
export async function recordRelease(
  trx: Transaction<StudyIndexTables>,
  release: Release,
  releasedQuietPeriodMs: number,
): Promise<void> {
  const values = { instance_count: release.instanceCount, released_at: release.releasedAt };
  await trx
    .insertInto('release')
    .values({ study_instance_uid: release.studyInstanceUid, association_id: release.associationId, ...values })
    .onConflict((on) => on.columns(['study_instance_uid', 'association_id']).doUpdateSet(values))
    .execute();
  await trx
    .updateTable('study')
    .set({
      quiet_until: sql`least(quiet_until, now() + make_interval(secs => ${releasedQuietPeriodMs}::float8 / 1000))`,
    })
    .where('study_instance_uid', '=', release.studyInstanceUid)
    .where('state', '=', 'receiving')
    .where(associationDone(release.studyInstanceUid, release.associationId))
    .execute();
}
