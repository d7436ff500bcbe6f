import { setTimeout as sleep } from 'node:timers/promises';

import { currentEvent, Inbox, type Outbox } from '@callosum/event-log';
import type { Clock } from '@callosum/kernel';
import { count, record } from '@callosum/telemetry';
import { type Kysely, sql, type Transaction } from 'kysely';

import type { DecisionCommit, DecisionStore, IdentifierLock, KnownIdentifier } from '../application/ports.js';
import type { Decision } from '../domain/decision.js';
import { DecisionContentionError } from '../domain/errors.js';
import type { PatientIdentifier } from '../domain/identifier.js';
import { toDecision, toRow } from './decision-rows.js';
import { holdLock, IdentifierLocks } from './identifier-locks.js';
import { leaseMarginMs, leaseMsMax } from './lease-store.js';
import type { IdentityTables } from './tables.js';
import { tell } from './tell.js';

const group = 'identity-mapping';
/** What a change may take beside the leases it waits out; then leases are given again, and its commit is refused. */
const changeMarginMs = 15_000;
/** The longest a lease is waited out for: what was granted at most, and what is kept beyond. */
const leaseWaitMs = leaseMsMax + leaseMarginMs;
const pollMs = 25;

function countDecision({ decision: { verdict, decider }, expected }: DecisionCommit): void {
  const by = { 'callosum.decided_by': decider.by };
  count('callosum.identity.decisions', 1, { 'callosum.outcome': verdict.state, ...by });
  if (verdict.state !== 'linked' || decider.by !== 'person' || !expected) return;
  // How long the study waited for the person; a link by rules is measured from the fact that asked for it.
  record('callosum.identity.link.duration', Math.max(0, Date.now() - expected.decidedAt.getTime()) / 1000, by);
}

/** Decisions in PostgreSQL. All deadlines count on the database's clock. */
export class PostgresDecisionStore implements DecisionStore {
  readonly #locks: IdentifierLocks;

  constructor(
    private readonly db: Kysely<IdentityTables>,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
  ) {
    this.#locks = new IdentifierLocks(db);
  }

  async current(studyInstanceUid: string): Promise<Decision | undefined> {
    const row = await this.db
      .selectFrom('decision')
      .selectAll()
      .where('study_instance_uid', '=', studyInstanceUid)
      .where('superseded_at', 'is', null)
      .executeTakeFirst();
    return row && toDecision(row);
  }

  async find(decisionId: string): Promise<Decision | undefined> {
    const row = await this.db
      .selectFrom('decision')
      .selectAll()
      .where('decision_id', '=', decisionId)
      .executeTakeFirst();
    return row && toDecision(row);
  }

  async successorOf(decisionId: string): Promise<Decision | undefined> {
    const row = await this.db.selectFrom('decision').selectAll().where('resolves', '=', decisionId).executeTakeFirst();
    return row && toDecision(row);
  }

  async identifier({ system, value }: PatientIdentifier): Promise<KnownIdentifier | undefined> {
    const row = await this.db
      .selectFrom('patient_identifier')
      .select(['patient_reference', 'created_for'])
      .where('system', '=', system)
      .where('value', '=', value)
      .executeTakeFirst();
    return row && { patient: row.patient_reference ?? undefined, createdFor: row.created_for ?? undefined };
  }

  async reserve({ system, value }: PatientIdentifier, studyInstanceUid: string): Promise<void> {
    const values = { patient_reference: null, created_for: studyInstanceUid };
    await this.db
      .insertInto('patient_identifier')
      .values({ system, value, ...values })
      .onConflict((on) => on.columns(['system', 'value']).doUpdateSet(values))
      .execute();
  }

  withLock<T>(identifier: PatientIdentifier, work: (lock: IdentifierLock) => Promise<T>): Promise<T> {
    return this.#locks.during(identifier, work);
  }

  async commit(commit: DecisionCommit): Promise<void> {
    const { expected } = commit;
    if (expected) await this.clearLeases(expected.decisionId);
    let written: boolean;
    try {
      written = await this.db.transaction().execute((trx) => this.write(trx, commit));
    } catch (error) {
      if (expected) await this.abandonChange(expected.decisionId);
      // Two first decisions of one study, or two answers to one quarantine: the other one was faster.
      if ((error as { code?: unknown }).code === '23505') throw new DecisionContentionError();
      throw error;
    }
    if (written) countDecision(commit);
    else if (expected) await this.abandonChange(expected.decisionId);
  }

  /** No lease is given any more, none can be confirmed, and those that were confirmed are waited out (rule 3). */
  private async clearLeases(decisionId: string): Promise<void> {
    await this.db.transaction().execute(async (trx) => {
      await trx
        .updateTable('decision')
        .set({ changing_until: sql`now() + make_interval(secs => ${(leaseWaitMs + changeMarginMs) / 1_000}::float8)` })
        .where('decision_id', '=', decisionId)
        .where('superseded_at', 'is', null)
        .execute();
      await trx
        .updateTable('publish_lease')
        .set({ revoked_at: sql`now()` })
        .where('decision_id', '=', decisionId)
        .where('revoked_at', 'is', null)
        .execute();
    });
    for (let waitedMs = 0; await this.isLeased(this.db, decisionId); waitedMs += pollMs) {
      if (waitedMs > leaseWaitMs + changeMarginMs) throw new DecisionContentionError();
      await sleep(pollMs);
    }
  }

  /** The change did not come about: publishing goes on. Should this fail too, the deadline ends it. */
  private async abandonChange(decisionId: string): Promise<void> {
    await this.db
      .updateTable('decision')
      .set({ changing_until: null })
      .where('decision_id', '=', decisionId)
      .where('superseded_at', 'is', null)
      .execute()
      .catch(() => undefined);
  }

  /** A revoked lease still counts until it is given back or runs out: its holder may be in the middle of a write. */
  private async isLeased(db: Kysely<IdentityTables>, decisionId: string): Promise<boolean> {
    const lease = await db
      .selectFrom('publish_lease')
      .select('lease_id')
      .where('decision_id', '=', decisionId)
      .where('lease_until', '>', sql<Date>`now()`)
      .limit(1)
      .executeTakeFirst();
    return lease !== undefined;
  }

  /** @returns false when the decision of this event was written before */
  private async write(
    trx: Transaction<IdentityTables>,
    { decision, expected, lock, mapping }: DecisionCommit,
  ): Promise<boolean> {
    const event = currentEvent();
    if (event && !(await Inbox.once(trx, group, event))) return false;
    if (lock) await holdLock(trx, lock);
    await this.supersede(trx, decision.studyInstanceUid, expected);
    const decidedAt = after(expected?.decidedAt, this.clock.now());
    await trx.insertInto('decision').values(toRow(decision, decidedAt)).execute();
    if (mapping) {
      const values = { patient_reference: mapping.patient };
      await trx
        .insertInto('patient_identifier')
        .values({ system: mapping.identifier.system, value: mapping.identifier.value, created_for: null, ...values })
        .onConflict((on) => on.columns(['system', 'value']).doUpdateSet(values))
        .execute();
    }
    await tell(trx, this.outbox, decision, decidedAt);
    return true;
  }

  private async supersede(
    trx: Transaction<IdentityTables>,
    studyInstanceUid: string,
    expected: Decision | undefined,
  ): Promise<void> {
    const current = await trx
      .selectFrom('decision')
      .select(['decision_id', sql<boolean>`coalesce(changing_until > now(), false)`.as('isChanging')])
      .where('study_instance_uid', '=', studyInstanceUid)
      .where('superseded_at', 'is', null)
      .forUpdate()
      .executeTakeFirst();
    if (current?.decision_id !== expected?.decisionId) throw new DecisionContentionError();
    if (!current) return;
    // Were the change too slow, leases may have been given again since.
    if (!current.isChanging || (await this.isLeased(trx, current.decision_id))) throw new DecisionContentionError();
    await trx
      .updateTable('decision')
      .set({ superseded_at: this.clock.now(), changing_until: null })
      .where('decision_id', '=', current.decision_id)
      .execute();
  }
}

/**
 * Links and quarantines travel on two topics, and their consumers put them in order by this moment: a replica whose
 * clock is behind must not make its decision look older than the one it replaces.
 */
const after = (before: Date | undefined, now: Date): Date =>
  before && before >= now ? new Date(before.getTime() + 1) : now;
