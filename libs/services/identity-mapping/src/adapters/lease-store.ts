import { newId } from '@callosum/kernel';
import { type Kysely, sql } from 'kysely';

import type { Lease, LeasePurpose, LeaseRequest, LeaseStore } from '../application/leases.js';
import { LeaseLostError, NotCurrentLinkError } from '../domain/errors.js';
import type { IdentityTables } from './tables.js';

/** A changed decision may wait this long for one delivery; a FHIR transaction has a deadline of 30 s. */
export const leaseMsMax = 60_000;
/**
 * Kept beyond what was granted before a lease counts as over. The holder counts the same duration from an earlier
 * moment, so its end comes first whatever the two clocks show; this is for clocks that run at different speeds
 * (5 s of 60 s allow 8 %, a hundred times what hardware does) and for a request that was on its way when it was aborted.
 */
export const leaseMarginMs = 5_000;
/** Ended leases are of no use to anybody; kept a while for people who look. */
const keptHours = 1;

/** Publish leases as rows; deadlines count on the database's clock. */
export class PostgresLeaseStore implements LeaseStore {
  constructor(private readonly db: Kysely<IdentityTables>) {}

  async acquire({ studyInstanceUid, decisionId, holder, durationMs, purpose }: LeaseRequest): Promise<Lease> {
    const grantedMs = Math.min(durationMs, leaseMsMax);
    return this.db.transaction().execute(async (trx) => {
      // A change locks this row first: either it sees the lease, or the lease sees the change.
      const decision = await trx
        .selectFrom('decision')
        .select('patient_reference')
        .where('decision_id', '=', decisionId)
        .where('study_instance_uid', '=', studyInstanceUid)
        .where('superseded_at', 'is', null)
        .where('state', '=', stateFor[purpose])
        .where(sql<boolean>`coalesce(changing_until <= now(), true)`)
        .forShare()
        .executeTakeFirst();
      if (!decision) throw new NotCurrentLinkError(decisionId);
      await trx
        .deleteFrom('publish_lease')
        .where('lease_until', '<', sql<Date>`now() - make_interval(hours => ${keptHours})`)
        .execute();
      const { lease_id, lease_until } = await trx
        .insertInto('publish_lease')
        .values({
          lease_id: newId(),
          decision_id: decisionId,
          holder,
          lease_until: sql`now() + ${seconds(grantedMs + leaseMarginMs)}`,
          revoked_at: null,
        })
        .returning(['lease_id', 'lease_until'])
        .executeTakeFirstOrThrow();
      return {
        leaseId: lease_id,
        patient: decision.patient_reference ?? undefined,
        durationMs: grantedMs,
        expiresAt: grantedUntil(lease_until),
      };
    });
  }

  async confirm(leaseId: string): Promise<Date> {
    const lease = await this.db
      .selectFrom('publish_lease')
      .select('lease_until')
      .where('lease_id', '=', leaseId)
      .where('revoked_at', 'is', null)
      .where('lease_until', '>', sql<Date>`now() + ${seconds(leaseMarginMs)}`)
      .executeTakeFirst();
    if (!lease) throw new LeaseLostError(leaseId);
    return grantedUntil(lease.lease_until);
  }

  async release(leaseId: string): Promise<void> {
    await this.db.deleteFrom('publish_lease').where('lease_id', '=', leaseId).execute();
  }
}

const stateFor = { publish: 'linked', withdraw: 'quarantined' } as const satisfies Record<LeasePurpose, string>;

const seconds = (ms: number) => sql`make_interval(secs => ${ms}::float8 / 1000)`;

/** The row holds until when a change waits; the holder was granted that without the margin. */
const grantedUntil = (leaseUntil: Date): Date => new Date(leaseUntil.getTime() - leaseMarginMs);
