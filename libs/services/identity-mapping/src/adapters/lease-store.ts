import { newId } from '@callosum/kernel';
import { type Kysely, sql } from 'kysely';

import type { Lease, LeaseStore } from '../application/leases.js';
import { LeaseLostError, NotCurrentLinkError } from '../domain/errors.js';
import type { IdentityTables } from './tables.js';

/** A changed decision may wait this long for one delivery; a FHIR transaction has a deadline of 30 s. */
export const leaseMsMax = 60_000;
/** Ended leases are of no use to anybody; kept a while for people who look. */
const keptHours = 1;

/** Publish leases as rows; deadlines count on the database's clock. */
export class PostgresLeaseStore implements LeaseStore {
  constructor(private readonly db: Kysely<IdentityTables>) {}

  async acquire(studyInstanceUid: string, decisionId: string, holder: string, durationMs: number): Promise<Lease> {
    return this.db.transaction().execute(async (trx) => {
      // A change locks this row first: either it sees the lease, or the lease sees the change.
      const link = await trx
        .selectFrom('decision')
        .select('patient_reference')
        .where('decision_id', '=', decisionId)
        .where('study_instance_uid', '=', studyInstanceUid)
        .where('superseded_at', 'is', null)
        .where('state', '=', 'linked')
        .where(sql<boolean>`coalesce(changing_until <= now(), true)`)
        .forShare()
        .executeTakeFirst();
      if (!link?.patient_reference) throw new NotCurrentLinkError(decisionId);
      await trx
        .deleteFrom('publish_lease')
        .where('lease_until', '<', sql<Date>`now() - make_interval(hours => ${keptHours})`)
        .execute();
      const lease = await trx
        .insertInto('publish_lease')
        .values({
          lease_id: newId(),
          decision_id: decisionId,
          holder,
          lease_until: sql`now() + make_interval(secs => ${Math.min(durationMs, leaseMsMax)}::float8 / 1000)`,
          revoked_at: null,
        })
        .returning(['lease_id', 'lease_until'])
        .executeTakeFirstOrThrow();
      return { leaseId: lease.lease_id, patient: link.patient_reference, expiresAt: lease.lease_until };
    });
  }

  async confirm(leaseId: string): Promise<Date> {
    const lease = await this.db
      .selectFrom('publish_lease')
      .select('lease_until')
      .where('lease_id', '=', leaseId)
      .where('revoked_at', 'is', null)
      .where('lease_until', '>', sql<Date>`now()`)
      .executeTakeFirst();
    if (!lease) throw new LeaseLostError(leaseId);
    return lease.lease_until;
  }

  async release(leaseId: string): Promise<void> {
    await this.db.deleteFrom('publish_lease').where('lease_id', '=', leaseId).execute();
  }
}
