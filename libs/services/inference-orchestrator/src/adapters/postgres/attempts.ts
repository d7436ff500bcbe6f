import { topics } from '@callosum/contracts';
import type { Database } from '@callosum/database';
import type { Outbox } from '@callosum/event-log';
import type { Clock } from '@callosum/kernel';
import { sql, type Transaction } from 'kysely';

import type { AcceptedResult, Attempts, ExpiredAttempt, FailureText, HeldJob, Job } from '../../application/ports.js';
import { type AfterAttempt, afterAttempt, type AttemptFailure, attemptMs, expiry } from '../../domain/attempt.js';
import { StaleFencingTokenError } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import { jobMetrics } from '../metrics.js';
import { findJob, inputOf, isOneOf, jobFailed, wellFormed } from './jobs.js';
import type { Tables } from './tables.js';

export interface AttemptLimits {
  readonly attemptsMax: number;
  readonly leaseMs: number;
  /** Ceiling of one attempt, whatever a manifest says. */
  readonly attemptMsMax: number;
}

/** Expired attempts one sweep takes. */
const expiredMax = 100;
const seconds = (ms: number) => sql`make_interval(secs => ${ms / 1000}::float8)`;

/** Jobs as a queue. Leases count by the database's clock: replicas may disagree about the time. */
export class PostgresAttempts implements Attempts {
  constructor(
    private readonly database: Database<Tables>,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
    private readonly limits: AttemptLimits,
  ) {}

  async claim(manifest: Manifest, workerInstanceId: string): Promise<Job | undefined> {
    const { leaseMs, attemptMsMax } = this.limits;
    const { modelId, version } = manifest.model;
    const { rows } = await sql<{ id: string }>`
      update job set state = 'running', attempts = attempts + 1, fencing_token = fencing_token + 1,
        next_attempt_at = null, lease_until = now() + ${seconds(leaseMs)},
        deadline_at = now() + ${seconds(attemptMs(manifest.attemptMsMax, attemptMsMax))},
        worker_instance_id = ${workerInstanceId}, attempt_started_at = now(), progress = null, stage = null
      where id = (select id from job where model_id = ${modelId} and model_version = ${version} and state = 'queued'
        and held_reason is null and next_attempt_at <= now() and (worker_instance_id is distinct from ${workerInstanceId}
          or error_code is distinct from 'lease-expired' or next_attempt_at <= now() - ${seconds(leaseMs)})
        order by next_attempt_at, scheduled_at limit 1 for update skip locked)
      returning id`.execute(this.database.db);
    const [row] = rows;
    const job = row && (await findJob(this.database.db, row.id));
    if (job) jobMetrics.claimed(job);
    return job;
  }

  async held(held: HeldJob): Promise<Job> {
    const job = await this.find(held.jobId);
    if (job?.state !== 'running' || job.fencingToken !== held.fencingToken)
      throw new StaleFencingTokenError(held.jobId);
    return job;
  }

  find(jobId: string): Promise<Job | undefined> {
    return findJob(this.database.db, jobId);
  }

  async renew(workerInstanceId: string, jobs: readonly HeldJob[]): Promise<ReadonlySet<string>> {
    const known = wellFormed(jobs);
    if (known.length === 0) return new Set();
    const { rows } = await sql<{ id: string }>`
      update job set lease_until = now() + ${seconds(this.limits.leaseMs)}
      where state = 'running' and worker_instance_id = ${workerInstanceId} and lease_until > now()
        and deadline_at > now() and ${isOneOf(known)}
      returning id`.execute(this.database.db);
    return new Set(rows.map(({ id }) => id));
  }

  async remainingMs(held: HeldJob): Promise<number> {
    const known = wellFormed([held]);
    if (known.length === 0) return 0;
    const { rows } = await sql<{ ms: number }>`
      select greatest(0, extract(epoch from deadline_at - clock_timestamp()) * 1000)::float8 as ms
      from job where state = 'running' and ${isOneOf(known)}`.execute(this.database.db);
    return rows[0]?.ms ?? 0;
  }

  async running(jobs: readonly HeldJob[]): Promise<readonly HeldJob[]> {
    const known = wellFormed(jobs);
    if (known.length === 0) return [];
    const { rows } = await sql<{ id: string; fencing_token: number }>`
      select id, fencing_token from job where state = 'running' and (id, fencing_token) in (
        select * from unnest(${known.map(({ jobId }) => jobId)}::uuid[],
          ${known.map(({ fencingToken }) => String(fencingToken))}::bigint[]))`.execute(this.database.db);
    return rows.map((row) => ({ jobId: row.id, fencingToken: BigInt(row.fencing_token) }));
  }

  async due(manifests: readonly Manifest[]): Promise<readonly Manifest[]> {
    const models = manifests.map(({ model }) => model);
    const { rows } = await sql<{ at: number }>`
      select wanted.at::int as at
      from unnest(${models.map(({ modelId }) => modelId)}::text[], ${models.map(({ version }) => version)}::text[])
        with ordinality as wanted (model_id, version, at)
      where exists (select from job where job.model_id = wanted.model_id and job.model_version = wanted.version
        and job.state = 'queued' and job.held_reason is null and job.next_attempt_at <= now())`.execute(
      this.database.db,
    );
    return rows.flatMap(({ at }) => manifests[at - 1] ?? []);
  }

  async progress(held: HeldJob, fraction: number, stage: string): Promise<boolean> {
    const known = wellFormed([held]);
    if (known.length === 0) return false;
    const { numAffectedRows } = await sql`
      update job set progress = ${fraction}, stage = ${stage} where state = 'running' and ${isOneOf(known)}`.execute(
      this.database.db,
    );
    return numAffectedRows === 1n;
  }

  async complete(job: Job, { artifact, digest, labelMapKey }: AcceptedResult): Promise<boolean> {
    const accepted = await this.database.db.transaction().execute(async (trx) => {
      const { numAffectedRows } = await sql`
        update job set state = 'completed', result_digest = ${digest}, lease_until = null, progress = 1,
          artifact_key = ${labelMapKey ?? null}, ended_at = now()
        where state = 'running' and ${isOneOf([{ jobId: job.id, fencingToken: job.fencingToken }])}`.execute(trx);
      if (numAffectedRows !== 1n) return false;
      await this.outbox.add(
        trx,
        topics.jobCompleted,
        {
          jobId: job.id,
          model: job.manifest.model,
          input: inputOf(job),
          result: undefined,
          resultArtifact: artifact,
          resultDigest: digest,
          attempt: job.attempts,
          scheduledAt: job.scheduledAt.toISOString(),
          completedAt: this.clock.now().toISOString(),
        },
        origin(job),
      );
      return true;
    });
    if (accepted) jobMetrics.completed(job);
    return accepted;
  }

  async fail(held: HeldJob, failure: AttemptFailure, text: FailureText): Promise<AfterAttempt | undefined> {
    const ended = await this.database.db.transaction().execute(async (trx) => {
      const job = await lockRunning(trx, held, failure);
      if (!job) return undefined;
      const after = afterAttempt(failure, job.attempts, this.limits.attemptsMax, uncountedOf(job));
      if (after.state === 'queued') {
        await sql`update job set state = 'queued', next_attempt_at = now() + ${seconds(after.retryAfterMs)},
          lease_until = null, error_code = ${failure}, attempts = attempts - ${after.isUncounted ? 1 : 0}
          where id = ${job.id}`.execute(trx);
        await handOver(trx, job);
        return { job, after };
      }
      await sql`update job set state = 'failed', lease_until = null, error_code = ${failure}, ended_at = now()
        where id = ${job.id}`.execute(trx);
      await this.outbox.add(trx, topics.jobFailed, jobFailed(job, after.reason, text, this.clock.now()), origin(job));
      return { job, after };
    });
    if (!ended) return undefined;
    jobMetrics.attemptFailed(ended.job, failure);
    if (ended.after.state === 'failed') jobMetrics.failed(ended.job, ended.after.reason);
    return ended.after;
  }

  async expired(): Promise<readonly ExpiredAttempt[]> {
    const { rows } = await sql<{
      id: string;
      fencing_token: number;
      deadline_at: Date;
      lease_until: Date;
      now: Date;
      traceparent: string | null;
    }>`
      select id, fencing_token, deadline_at, lease_until, clock_timestamp() as now, traceparent from job
      where state = 'running' and (lease_until <= now() or deadline_at <= now()) limit ${expiredMax}`.execute(
      this.database.db,
    );
    return rows.map((row) => ({
      jobId: row.id,
      fencingToken: BigInt(row.fencing_token),
      failure: row.deadline_at <= row.now ? 'deadline-exceeded' : 'lease-expired',
      traceparent: row.traceparent ?? undefined,
    }));
  }
}

/** The job with its row locked; undefined when it does not run under this token, or is not expired after all. */
async function lockRunning(trx: Transaction<Tables>, held: HeldJob, failure: AttemptFailure): Promise<Job | undefined> {
  const known = wellFormed([held]);
  if (known.length === 0) return undefined;
  const { rows } = await sql<{ lease_until: Date; deadline_at: Date; now: Date }>`
    select lease_until, deadline_at, clock_timestamp() as now from job
    where state = 'running' and ${isOneOf(known)} for update`.execute(trx);
  const [row] = rows;
  if (!row) return undefined;
  const lease = { fencingToken: held.fencingToken, leaseUntil: row.lease_until, deadlineAt: row.deadline_at };
  const isExpiry = failure === 'lease-expired' || failure === 'deadline-exceeded';
  if (isExpiry && expiry(lease, row.now) === undefined) return undefined;
  return findJob(trx, held.jobId);
}

/** Each offer has a token of its own, and all count as attempts but those that were given back. */
const uncountedOf = ({ fencingToken, attempts }: Job): number => Number(fencingToken) - attempts;

const origin = ({ correlationId, causationId }: Job) => ({
  ...(correlationId ? { correlationId } : {}),
  ...(causationId ? { causationId } : {}),
});

/** A job that waits again while a newer version of its model has registered goes to that one: nobody else may be left. */
async function handOver(trx: Transaction<Tables>, { manifest: { model } }: Job): Promise<void> {
  await sql`
    update model set backfill_from = coalesce(backfill_from, now()), backfill_next_at = now(), backfill_after = null,
      backfill_after_study = null
    where model_id = ${model.modelId} and version <> ${model.version}
      and registered_at = (select max(registered_at) from model where model_id = ${model.modelId})`.execute(trx);
}
