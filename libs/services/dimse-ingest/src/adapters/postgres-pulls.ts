import { createHash } from 'node:crypto';

import type { Database } from '@callosum/database';
import type { SubOperationCounts } from '@callosum/dimse';
import { newId } from '@callosum/kernel';
import { sql, type Transaction } from 'kysely';

import type {
  ClaimedPull,
  PullRequest,
  Pulls,
  PullSources,
  PullStanding,
  PullStudy,
  PullStudyState,
  PullView,
} from '../application/pull-ports.js';
import { type FoundStudy, leftOutCodes, type PullSelector } from '../domain/pull.js';
import { PullLostError, TooManyPullsError, UnknownPullError } from '../domain/pull-errors.js';
import { openPull, pullOfKey, rememberKey } from './pull-keys.js';
import type { PullTables } from './pull-tables.js';
import { pullViews } from './pull-views.js';

interface ClaimedRow {
  id: string;
  fence: number;
  source: string;
  selector: unknown;
  is_found: boolean;
  traceparent: string | null;
}

/** Pulls in PostgreSQL: taken with SKIP LOCKED, a lease and a fencing token that a cancel raises, too. */
export class PostgresPulls implements Pulls {
  constructor(
    private readonly database: Database<PullTables>,
    /** Told when something may be due. */
    private readonly onDue: () => void = () => undefined,
  ) {}

  async request(request: PullRequest, openMax: number): Promise<{ readonly id: string; readonly isNew: boolean }> {
    const digest = digestOf(request);
    const made = await this.database.db.transaction().execute(async (trx) => {
      // One request after the other: the same one twice at the same moment is one pull.
      await sql`select pg_advisory_xact_lock(hashtext('dimse_ingest.pull'))`.execute(trx);
      const known = (await pullOfKey(trx, request, digest)) ?? (await openPull(trx, digest));
      if (known !== undefined) {
        await rememberKey(trx, request, known);
        return { id: known, isNew: false };
      }
      const { rows } = await sql<{ open: number }>`select count(*) as open from pull where state = 'open'`.execute(trx);
      if (Number(rows[0]?.open ?? 0) >= openMax) throw new TooManyPullsError();
      const id = newId();
      await trx
        .insertInto('pull')
        .values({
          id,
          source: request.source,
          selector: JSON.stringify(request.selector),
          request_digest: digest,
          state: 'open',
          requested_by: request.requestedBy,
          traceparent: request.traceparent ?? null,
        })
        .execute();
      await rememberKey(trx, request, id);
      return { id, isNew: true };
    });
    if (made.isNew) this.onDue();
    return made;
  }

  async find(id: string): Promise<PullView | undefined> {
    const [view] = await pullViews(this.database.db, sql`p.id = ${id}`, 1);
    return view;
  }

  list(limit: number, before?: number): Promise<readonly PullView[]> {
    const where = before === undefined ? sql`true` : sql`p.number < ${before}`;
    return pullViews(this.database.db, where, limit);
  }

  async cancel(id: string): Promise<boolean> {
    // Whoever has it finds its fence gone, and tells the source.
    const { numAffectedRows } = await sql`
      update pull set state = 'cancelled', ended_at = now(), lease_until = null, fence = fence + 1
      where id = ${id} and state = 'open'`.execute(this.database.db);
    if (numAffectedRows === 1n) return true;
    if (!(await this.find(id))) throw new UnknownPullError();
    return false;
  }

  async claim(leaseMs: number, sources: PullSources = 'all'): Promise<ClaimedPull | undefined> {
    // One at a time at each source: a PACS has other things to do. Claims come one after the other, since none of two at
    // the same moment sees the other's.
    const { rows } = await this.database.db.transaction().execute(async (trx) => {
      await sql`select pg_advisory_xact_lock(hashtext('dimse-ingest.pull-claim'))`.execute(trx);
      return await sql<ClaimedRow>`
      with candidate as (
        select id from pull p
        where state = 'open' and next_attempt_at <= now() and (lease_until is null or lease_until < now())
          and (${sources === 'all'} or away_since is null)
          and not exists (select from pull o where o.source = p.source and o.state = 'open' and o.id <> p.id
            and o.lease_until > now())
        order by next_attempt_at, number limit 1 for update skip locked
      )
      update pull p set lease_until = ${inMs(leaseMs)}, fence = p.fence + 1 from candidate c where p.id = c.id
      returning p.id, p.fence, p.source, p.selector, p.is_found, p.traceparent`.execute(trx);
    });
    const [row] = rows;
    return (
      row && {
        id: row.id,
        fence: row.fence,
        source: row.source,
        selector: (row.selector ?? {}) as PullSelector,
        isFound: row.is_found,
        traceparent: row.traceparent ?? undefined,
      }
    );
  }

  async renew({ id, fence }: ClaimedPull, leaseMs: number): Promise<boolean> {
    const { numAffectedRows } = await sql`
      update pull set lease_until = ${inMs(leaseMs)} where id = ${id} and fence = ${fence} and state = 'open'`.execute(
      this.database.db,
    );
    return numAffectedRows === 1n;
  }

  found(claim: ClaimedPull, studies: readonly FoundStudy[], incomplete?: string): Promise<void> {
    return this.#change(claim, async (trx) => {
      await sql`update pull set is_found = true, away_since = null, attempts = 0, incomplete_code = ${incomplete ?? null}
        where id = ${claim.id}`.execute(trx);
      if (studies.length === 0) return;
      await trx
        .insertInto('pull_study')
        .values(
          studies.map(({ studyInstanceUid, instances, sopClassUids, leftOut }) => ({
            pull_id: claim.id,
            study_instance_uid: studyInstanceUid,
            expected: instances ?? null,
            sop_class_uids: [...sopClassUids],
            state: leftOut === undefined ? ('waiting' as const) : ('failed' as const),
            error_code: leftOut ?? null,
          })),
        )
        .execute();
    });
  }

  async open({ id }: ClaimedPull): Promise<readonly PullStudy[]> {
    const rows = await this.database.db
      .selectFrom('pull_study')
      .selectAll()
      .where('pull_id', '=', id)
      .where('state', '=', 'waiting')
      .orderBy('attempts')
      .orderBy('study_instance_uid')
      .execute();
    return rows.map((row) => ({
      studyInstanceUid: row.study_instance_uid,
      instances: row.expected ?? undefined,
      sopClassUids: row.sop_class_uids,
      failures: row.failures,
    }));
  }

  progress(claim: ClaimedPull, studyInstanceUid: string, counts: SubOperationCounts): Promise<void> {
    return this.#change(claim, async (trx) => {
      await sql`
        update pull_study set received = ${counts.completed + counts.warning}, failed = ${counts.failed}
        where pull_id = ${claim.id} and study_instance_uid = ${studyInstanceUid} and state = 'waiting'`.execute(trx);
    });
  }

  studyEnded(
    claim: ClaimedPull,
    studyInstanceUid: string,
    state: PullStudyState,
    counts: SubOperationCounts,
    code?: string,
  ): Promise<void> {
    return this.#change(claim, async (trx) => {
      await sql`
        update pull_study set state = ${state === 'again' ? 'waiting' : state}, attempts = attempts + 1,
          failures = failures + ${state === 'again' ? 1 : 0}, error_code = ${code ?? null},
          received = ${counts.completed + counts.warning}, failed = ${counts.failed}
        where pull_id = ${claim.id} and study_instance_uid = ${studyInstanceUid}`.execute(trx);
      if (state !== 'completed') return;
      await sql`update pull set away_since = null, attempts = 0 where id = ${claim.id}`.execute(trx);
      // It may have been away all the time.
      await sql`update pull_study set failures = 0
        where pull_id = ${claim.id} and state = 'waiting' and failures > 0`.execute(trx);
    });
  }

  async standing({ id }: ClaimedPull): Promise<PullStanding> {
    const { rows } = await sql<{ attempts: number; away_seconds: number; gave: boolean }>`
      select attempts, coalesce(extract(epoch from now() - away_since), 0)::float8 as away_seconds,
        exists (select from pull_study where pull_id = pull.id and state = 'completed') as gave
      from pull where id = ${id}`.execute(this.database.db);
    const [row] = rows;
    if (!row) throw new PullLostError();
    return { attempts: row.attempts, awayMs: row.away_seconds * 1_000, gave: row.gave };
  }

  later(claim: ClaimedPull, delayMs: number, code?: string): Promise<void> {
    return this.#change(claim, async (trx) => {
      await sql`
        update pull set lease_until = null, next_attempt_at = ${inMs(delayMs)},
          error_code = coalesce(${code ?? null}::text, error_code), attempts = attempts + ${code === undefined ? 0 : 1},
          away_since = case when ${code ?? null}::text is null then away_since else coalesce(away_since, now()) end
        where id = ${claim.id}`.execute(trx);
    });
  }

  end(claim: ClaimedPull, code?: string): Promise<void> {
    const codes = sql`${[...leftOutCodes]}::text[]`;
    return this.#change(claim, async (trx) => {
      await sql`
        update pull p set lease_until = null, ended_at = now(),
          state = case when given is null and failed = 0 and incomplete_code is null then 'completed' else 'failed' end,
          error_code = case when given is not null then given when failed > left_out then 'dimse-ingest.pull-incomplete'
            when incomplete_code is not null then incomplete_code when failed > 0 then (${codes})[gravest] end
        from (select ${code ?? null}::text as given, count(*) as failed,
          count(*) filter (where error_code = any(${codes})) as left_out,
          min(array_position(${codes}, error_code)) as gravest
          from pull_study where pull_id = ${claim.id} and state = 'failed') i
        where p.id = ${claim.id}`.execute(trx);
    });
  }

  async prune(selectorDays: number, days: number): Promise<void> {
    const { db } = this.database;
    await sql`delete from pull_key k using pull p where k.pull_id = p.id and p.state <> 'open'
      and p.ended_at < now() - make_interval(days => ${selectorDays}::int)`.execute(db);
    await sql`update pull set selector = null, request_digest = null where state <> 'open' and selector is not null
      and ended_at < now() - make_interval(days => ${selectorDays}::int)`.execute(db);
    await sql`delete from pull where state <> 'open' and ended_at < now() - make_interval(days => ${days}::int)`.execute(
      db,
    );
  }

  /** @throws {PullLostError} */
  async #change({ id, fence }: ClaimedPull, work: (trx: Transaction<PullTables>) => Promise<void>): Promise<void> {
    await this.database.db.transaction().execute(async (trx) => {
      const { rows } = await sql`
        select 1 from pull where id = ${id} and fence = ${fence} and state = 'open' for update`.execute(trx);
      if (rows.length === 0) throw new PullLostError();
      await work(trx);
    });
  }
}

const inMs = (ms: number) => sql<Date>`now() + make_interval(secs => ${ms / 1000})`;

/** The same for the same request, however its members are ordered. */
function digestOf({ source, selector }: PullRequest): string {
  const members = Object.entries(selector).filter(([, value]) => value !== undefined);
  const sorted = members.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([source, sorted]))
    .digest('hex');
}
