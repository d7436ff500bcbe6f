import { imaging, topics } from '@callosum/contracts';
import type { Outbox } from '@callosum/event-log';
import type { Clock } from '@callosum/kernel';
import { withSpan } from '@callosum/telemetry';
import { type Kysely, type QueryExecutorProvider, sql, type Transaction } from 'kysely';

import type {
  AcknowledgedInstances,
  CompletedStudy,
  CompletionStore,
  DueStudy,
  HeldStudy,
  Release,
  WaitingStudies,
  WaitingStudy,
} from '../application/complete-studies.js';
import { holdMs, type StatedCompleteness, type StatedLimits } from '../domain/completeness.js';
import type { ProcedureStep } from '../domain/procedure-step.js';
import { associationDone } from './index-transaction.js';
import { forgetPatients } from './patients.js';
import { closeRevision, sourceSeriesOf } from './revisions.js';
import { forgetOldSteps, judgeStudy, stepEvidence, tellWholeSeries } from './statements.js';
import type { StudyIndexTables } from './tables.js';
import { unindexedOf } from './unindexed.js';

/** A release whose instances never came is forgotten after this long: the sender has tried again by then. */
const releaseKeptHours = 24;
/**
 * A study that waits for the ledger is looked at again after half of what it has waited, within these. An instance that
 * is indexed meanwhile begins a quiet period anew, so only what leaves the ledger, or is given up, waits for a look.
 */
const lookAgainSecondsMin = 1;
const lookAgainSecondsMax = 30;
const tellEveryHours = 1;

const { COMPLETENESS_EVIDENCE_STATED_COUNT: STATED_COUNT, COMPLETENESS_EVIDENCE_QUIET_PERIOD: QUIET_PERIOD } =
  imaging.CompletenessEvidence;

interface DueRow {
  readonly study_instance_uid: string;
  readonly revision: number;
  readonly identity_digest: string;
  readonly traceparent: string | null;
  readonly correlation_id: string | null;
  readonly first_stored_at: Date;
}

/** Deadlines of studies as rows of PostgreSQL. */
export class PostgresCompletionStore implements CompletionStore {
  #patientsAfter = '';

  constructor(
    private readonly db: Kysely<StudyIndexTables>,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
    private readonly quietPeriodMs: number,
    private readonly archive: AcknowledgedInstances,
    private readonly limits: StatedLimits,
  ) {}

  /**
   * Claim and completion are one transaction: the claimed row stays locked (other replicas skip it) until the fact is
   * in the outbox, so a replica that dies leaves the deadline as it was and no fencing token is needed to keep a late
   * one out. What fails for one study costs its own turn: left as it was it would be the first due again and again.
   */
  async settleNextDue(): Promise<DueStudy | undefined> {
    let claimed: DueRow | undefined;
    try {
      return await this.settle((due) => (claimed = due));
    } catch (error) {
      if (!claimed) throw error;
      const { study_instance_uid: studyInstanceUid, revision } = claimed;
      const { tell } = await this.postpone(this.db, studyInstanceUid);
      return { outcome: 'failed', study: { studyInstanceUid, revision, error, tell } };
    }
  }

  private settle(onClaimed: (due: DueRow) => void): Promise<DueStudy | undefined> {
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
      onClaimed(due);
      // Behind the study's lock: what this does not see is indexed after the completion, and opens the next revision.
      const acknowledged = await this.archive.sourceInstancesOf(due.study_instance_uid);
      const { length: missing } = await unindexedOf(trx, due.study_instance_uid, acknowledged);
      if (missing > 0) return { outcome: 'waits', study: await this.lookAgain(trx, due, missing) };
      const { steps, judged } = await judgeStudy(trx, due.study_instance_uid);
      const held = await this.hold(trx, due, judged);
      if (held) return { outcome: 'held', study: held };
      return { outcome: 'completed', study: await this.complete(trx, due, steps, judged) };
    });
  }

  /**
   * Holds the study back while its steps promise more; undefined when nothing does, or when it waited long enough. What
   * changes its steps or brings an instance has it looked at; the pause is for series of a step that are of another study.
   */
  private async hold(
    trx: Transaction<StudyIndexTables>,
    due: DueRow,
    judged: StatedCompleteness,
  ): Promise<HeldStudy | undefined> {
    const limitMs = holdMs(judged, this.limits);
    if (limitMs === 0) return undefined;
    const until = sql`coalesce(held_since, now()) + make_interval(secs => ${limitMs}::float8 / 1000)`;
    const { rows } = await sql<{ tell: boolean }>`
      update study set held_since = coalesce(held_since, now()), waiting_since = null, waiting_told_at = null,
        quiet_until = least(${until}, now() + make_interval(secs => ${lookAgainSecondsMax}))
      where study_instance_uid = ${due.study_instance_uid} and ${until} > now()
      returning held_since = now() as tell`.execute(trx);
    const [row] = rows;
    if (!row) return undefined;
    const { study_instance_uid: studyInstanceUid, revision } = due;
    return { studyInstanceUid, revision, stepsInProgress: judged.stepsInProgress, missing: judged.missing, ...row };
  }

  private async lookAgain(trx: Transaction<StudyIndexTables>, due: DueRow, missing: number): Promise<WaitingStudy> {
    const { study_instance_uid: studyInstanceUid, revision } = due;
    return { studyInstanceUid, revision, missing, ...(await this.postpone(trx, studyInstanceUid)) };
  }

  /** The next look is a deadline like the first: whichever replica lives takes it. Nothing for one that is not due any more. */
  private async postpone(on: QueryExecutorProvider, studyInstanceUid: string) {
    const waited = sql`now() - coalesce(waiting_since, now())`;
    const pause = sql`least(greatest((${waited}) / 2, make_interval(secs => ${lookAgainSecondsMin})), make_interval(secs => ${lookAgainSecondsMax}))`;
    const tell = sql<boolean>`coalesce(waiting_told_at <= now() - make_interval(hours => ${tellEveryHours}), true)`;
    const { rows } = await sql<{ waitedSeconds: number; tell: boolean }>`
      with before as (
        select study_instance_uid, extract(epoch from ${waited})::float8 as waited, ${tell} as tell
        from study where study_instance_uid = ${studyInstanceUid} and state = 'receiving' and quiet_until <= now()
      )
      update study set waiting_since = coalesce(waiting_since, now()), quiet_until = now() + ${pause},
        waiting_told_at = case when before.tell then now() else waiting_told_at end
      from before where study.study_instance_uid = before.study_instance_uid
      returning before.waited as "waitedSeconds", before.tell`.execute(on);
    return rows[0] ?? { waitedSeconds: 0, tell: true };
  }

  private async complete(
    trx: Transaction<StudyIndexTables>,
    due: DueRow,
    steps: readonly ProcedureStep[],
    judged: StatedCompleteness,
  ): Promise<CompletedStudy> {
    const { study_instance_uid: studyInstanceUid, revision } = due;
    const series = await sourceSeriesOf(trx, studyInstanceUid);
    const completedAt = this.clock.now();
    const evidence = judged.isWhole ? STATED_COUNT : QUIET_PERIOD;
    await closeRevision(trx, { studyInstanceUid, revision, evidence, series, steps, judged, completedAt });
    const message: imaging.StudyCompleted = {
      studyInstanceUid,
      revision,
      evidence,
      series,
      identityDigest: due.identity_digest,
      completedAt: completedAt.toISOString(),
      procedureSteps: steps.map(stepEvidence),
      statedMissing: judged.missing,
    };
    const context = due.correlation_id ? { correlationId: due.correlation_id } : {};
    const attributes = { 'dicom.study_instance_uid': studyInstanceUid };
    const whole = new Set(judged.wholeSeries);
    const uids = series.map(({ seriesInstanceUid }) => seriesInstanceUid);
    const told = (evidence: imaging.CompletenessEvidence, seriesInstanceUids: readonly string[]) =>
      tellWholeSeries(
        trx,
        this.outbox,
        this.clock,
        { studyInstanceUid, revision, seriesInstanceUids, evidence },
        context,
      );
    // The study waited as a row; its completion goes on in the trace of the instance that came last.
    await withSpan(
      'study-index',
      'study.complete',
      { traceparent: due.traceparent ?? undefined, attributes },
      async () => {
        await told(STATED_COUNT, judged.wholeSeries);
        await told(
          evidence,
          uids.filter((uid) => !whole.has(uid)),
        );
        await this.outbox.add(trx, topics.studyCompleted, message, context);
      },
    );
    return {
      studyInstanceUid,
      revision,
      seriesCount: series.length,
      secondsFromFirstInstance: (completedAt.getTime() - due.first_stored_at.getTime()) / 1000,
      statedMissing: judged.missing,
    };
  }

  /** Reads the studies that are not complete alone, by the index of their deadlines. */
  async waiting(): Promise<WaitingStudies> {
    const { rows } = await sql<{ count: number; age: number; held: number }>`
      select count(waiting_since)::float8 as count, count(held_since)::float8 as held,
        coalesce(extract(epoch from now() - min(waiting_since)), 0)::float8 as age
      from study where state = 'receiving' and (waiting_since is not null or held_since is not null)`.execute(this.db);
    const [row] = rows;
    return { count: row?.count ?? 0, oldestAgeSeconds: Math.max(0, row?.age ?? 0), held: row?.held ?? 0 };
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

  forgetOldSteps(): Promise<void> {
    return forgetOldSteps(this.db);
  }

  async forgetPatients(): Promise<void> {
    this.#patientsAfter = await forgetPatients(this.db, this.#patientsAfter);
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
