import type { Database } from '@callosum/database';
import { newId } from '@callosum/kernel';
import { type Kysely, sql, type Transaction } from 'kysely';

import type {
  ClaimedRequestor,
  CommitmentCounts,
  Commitments,
  CommitmentToTake,
  GivenUp,
  ReportFailure,
  TakenAs,
} from '../application/commitment-ports.js';
import type { Commitment } from '../domain/commitment.js';
import { TooManyCommitmentsError } from '../domain/commitment-errors.js';
import { commitmentOf, end, fromNow, held, insert, putOff, referencesOf } from './commitment-rows.js';
import type { CommitmentTables } from './commitment-tables.js';

type Tables = CommitmentTables;

export interface CommitmentLimits {
  /** Requests that wait. */
  readonly requests: number;
  /** Instances they reference, some 120 bytes each. */
  readonly references: number;
}

/** A hospital has some hundreds of requests a day, so these are weeks of nobody listening. */
const limitsOfAll: CommitmentLimits = { requests: 20_000, references: 20_000_000 };
/** One requestor that cannot be called leaves room for the others. */
const limitsOfOne: CommitmentLimits = { requests: 5_000, references: 5_000_000 };
/** Rows one statement gives up or forgets: short enough to hold nobody up. */
const pageRows = 500;

/** Commitment requests in PostgreSQL: requestors are claimed with SKIP LOCKED and a fencing token. */
export class PostgresCommitments implements Commitments {
  private readonly db: Kysely<Tables>;

  constructor(
    database: Database<Tables>,
    private readonly ofAll = limitsOfAll,
    private readonly ofOne = limitsOfOne,
  ) {
    this.db = database.db;
  }

  take(request: CommitmentToTake, holdMs: number): Promise<{ readonly id: string; readonly as: TakenAs }> {
    return this.db.transaction().execute(async (trx) => {
      await this.#assertRoom(trx, request);
      // It just called us: whatever kept us from calling it may be over.
      await sql`
        insert into commitment_requestor (aet) values (${request.aet})
        on conflict (aet) do update set next_attempt_at = now()`.execute(trx);
      const id = newId();
      if (await insert(trx, id, request, holdMs, false)) return { id, as: 'new' };
      const known = await trx
        .selectFrom('commitment')
        .select(['id', 'digest'])
        .where('aet', '=', request.aet)
        .where('transaction_uid', '=', request.transactionUid)
        .where('is_duplicate', '=', false)
        .forUpdate()
        .executeTakeFirst();
      if (known?.digest !== request.digest) {
        await insert(trx, id, request, holdMs, true);
        return { id, as: 'duplicate' };
      }
      await trx
        .updateTable('commitment')
        .set({
          state: 'waiting',
          due_at: fromNow(holdMs),
          attempts: 0,
          error_code: null,
          ...referencesOf(request),
          requested_at: sql<Date>`now()`,
          ended_at: null,
        })
        .where('id', '=', known.id)
        .execute();
      return { id: known.id, as: 'repeated' };
    });
  }

  async #assertRoom(trx: Transaction<Tables>, { aet, references }: CommitmentToTake): Promise<void> {
    const { rows } = await sql<{ all: CommitmentLimits; one: CommitmentLimits }>`
      select json_build_object('requests', count(*), 'references', coalesce(sum(reference_count), 0)) as all,
        json_build_object('requests', count(*) filter (where aet = ${aet}),
          'references', coalesce(sum(reference_count) filter (where aet = ${aet}), 0)) as one
      from commitment where state = 'waiting'`.execute(trx);
    const isFull = (waiting: CommitmentLimits | undefined, limits: CommitmentLimits): boolean =>
      waiting !== undefined &&
      (waiting.requests >= limits.requests || waiting.references + references.length > limits.references);
    if (isFull(rows[0]?.all, this.ofAll) || isFull(rows[0]?.one, this.ofOne)) throw new TooManyCommitmentsError();
  }

  async find(id: string): Promise<Commitment | undefined> {
    const row = await this.db
      .selectFrom('commitment')
      .selectAll()
      .where('id', '=', id)
      .where('state', '=', 'waiting')
      .executeTakeFirst();
    return row && commitmentOf(row);
  }

  reportedHere(id: string): Promise<void> {
    return end(this.db, id);
  }

  async letGo(id: string): Promise<void> {
    await this.db
      .updateTable('commitment')
      .set({ due_at: sql<Date>`now()` })
      .where('id', '=', id)
      .where('state', '=', 'waiting')
      .execute();
  }

  async claim(leaseMs: number): Promise<ClaimedRequestor | undefined> {
    const { rows } = await sql<ClaimedRequestor>`
      with candidate as (
        select r.aet from commitment_requestor r
        where r.next_attempt_at <= now() and (r.lease_until is null or r.lease_until < now())
          and exists (select 1 from commitment c where c.aet = r.aet and c.state = 'waiting' and c.due_at <= now())
        order by r.next_attempt_at limit 1
        for update of r skip locked
      )
      update commitment_requestor r set lease_until = ${fromNow(leaseMs)}, fence = r.fence + 1
      from candidate c where r.aet = c.aet
      returning r.aet, r.fence, r.attempts`.execute(this.db);
    return rows[0];
  }

  async next(claim: ClaimedRequestor, leaseMs: number): Promise<Commitment | undefined> {
    await held(this.db, claim, { lease_until: fromNow(leaseMs) });
    const row = await this.db
      .selectFrom('commitment')
      .selectAll()
      .where('aet', '=', claim.aet)
      .where('state', '=', 'waiting')
      .where('due_at', '<=', sql<Date>`now()`)
      .orderBy('due_at')
      .limit(1)
      .executeTakeFirst();
    return row && commitmentOf(row);
  }

  async reported(claim: ClaimedRequestor, id: string): Promise<void> {
    await this.db.transaction().execute(async (trx) => {
      await held(trx, claim, { attempts: 0 });
      await end(trx, id);
    });
  }

  async refused(claim: ClaimedRequestor, id: string, errorCode: string, pauseMs: number): Promise<void> {
    await this.db.transaction().execute(async (trx) => {
      await held(trx, claim, { attempts: 0 });
      await putOff(trx, id, errorCode, pauseMs);
    });
  }

  async release(claim: ClaimedRequestor, failure?: ReportFailure): Promise<void> {
    await this.db.transaction().execute(async (trx) => {
      const { numUpdatedRows } = await trx
        .updateTable('commitment_requestor')
        .set({
          lease_until: null,
          next_attempt_at: fromNow(failure?.pauseMs ?? 0),
          attempts: failure ? sql<number>`attempts + 1` : 0,
        })
        .where('aet', '=', claim.aet)
        .where('fence', '=', claim.fence)
        .executeTakeFirst();
      if (numUpdatedRows === 0n || !failure) return;
      await trx
        .updateTable('commitment')
        .set({ error_code: failure.errorCode })
        .where('aet', '=', claim.aet)
        .where('state', '=', 'waiting')
        .where('due_at', '<=', sql<Date>`now()`)
        .execute();
      if (failure.during) await putOff(trx, failure.during.id, failure.errorCode, failure.during.pauseMs);
    });
  }

  async giveUp(ageMs: number): Promise<readonly GivenUp[]> {
    const { rows } = await sql<{ aet: string; transaction_uid: string; error_code: string | null }>`
      update commitment set state = 'given-up', ended_at = now(), sop_references = '[]', reference_count = 0 where id = any (array(
        select id from commitment
        where state = 'waiting' and requested_at < now() - make_interval(secs => ${ageMs / 1000})
        order by requested_at limit ${pageRows} for update skip locked))
      returning aet, transaction_uid, error_code`.execute(this.db);
    return rows.map((row) => ({
      aet: row.aet,
      transactionUid: row.transaction_uid,
      errorCode: row.error_code ?? '',
    }));
  }

  async forget(days: number): Promise<number> {
    let forgotten = 0;
    for (let more = true; more;) {
      const { numAffectedRows } = await sql`
        delete from commitment where id = any (array(
          select id from commitment where state in ('reported', 'given-up')
            and ended_at < now() - make_interval(days => ${days}::int) limit ${pageRows}))`.execute(this.db);
      forgotten += Number(numAffectedRows ?? 0n);
      more = Number(numAffectedRows ?? 0n) === pageRows;
    }
    await this.#forgetRequestors();
    return forgotten;
  }

  /**
   * Looked at twice: a request that was just taken, while the first look waited for its requestor's row, is not in what
   * that one sees. Behind the row's lock nobody takes one, and a second statement sees all that were.
   */
  async #forgetRequestors(): Promise<void> {
    await this.db.transaction().execute(async (trx) => {
      const { rows } = await sql<{ aet: string }>`
        select r.aet from commitment_requestor r where r.lease_until is null
          and not exists (select 1 from commitment c where c.aet = r.aet)
        order by r.aet limit ${pageRows} for update of r`.execute(trx);
      await sql`
        delete from commitment_requestor r where r.aet = any (${rows.map(({ aet }) => aet)}::text[])
          and r.lease_until is null and not exists (select 1 from commitment c where c.aet = r.aet)`.execute(trx);
    });
  }

  async counts(): Promise<CommitmentCounts> {
    const { rows } = await sql<{ waiting: number; given_up: number; oldest: number | null }>`
      select (select count(*)::float8 from commitment where state = 'waiting') as waiting,
        (select count(*)::float8 from commitment where state = 'given-up' and ended_at is not null) as given_up,
        (select extract(epoch from now() - min(requested_at))::float8 from commitment where state = 'waiting') as oldest`.execute(
      this.db,
    );
    const [row] = rows;
    return { waiting: row?.waiting ?? 0, givenUp: row?.given_up ?? 0, oldestSeconds: Math.max(0, row?.oldest ?? 0) };
  }
}
