import { worker } from '@callosum/contracts';
import type { Database } from '@callosum/database';
import { type Kysely, sql, type Transaction } from 'kysely';

import type { Models, RegisteredModel } from '../../application/ports.js';
import { VendorMismatchError } from '../../domain/errors.js';
import { type Manifest, parseManifest } from '../../domain/manifest.js';
import type { Tables } from './tables.js';

/**
 * Registrations and completed studies meet under this lock: a study that completes while a model registers is seen
 * by one of them. Advisory locks are the database's, so the first number names this service.
 */
const registrationLock = sql.raw('1_229_340_748, 1');

export const lockForStudy = (trx: Transaction<Tables>): Promise<unknown> =>
  sql`select pg_advisory_xact_lock_shared(${registrationLock})`.execute(trx);

export class PostgresModels implements Models {
  constructor(
    private readonly database: Database<Tables>,
    private readonly backfillMs: number,
  ) {}

  /** Keeps the manifest, newest word first. A model seen for the first time will be offered recent studies. */
  async register(raw: worker.Manifest, vendor?: string): Promise<Manifest> {
    const manifest = parseManifest(raw);
    const { modelId, version } = manifest.model;
    if (vendor !== undefined && manifest.model.vendor !== vendor)
      throw new VendorMismatchError('the manifest names another vendor than the credential is for');
    const json = JSON.stringify(worker.Manifest.toJSON(raw));
    await this.database.db.transaction().execute(async (trx) => {
      await sql`select pg_advisory_xact_lock(${registrationLock})`.execute(trx);
      if (vendor !== undefined) await assertModelOf(trx, modelId, vendor);
      await sql`
        insert into model (model_id, version, manifest, backfill_from, backfill_next_at)
        values (${modelId}, ${version}, ${json}, now() - make_interval(secs => ${this.backfillMs / 1000}), now())
        on conflict (model_id, version) do update
        set manifest = excluded.manifest, registered_at = now()`.execute(trx);
    });
    return manifest;
  }

  registered(): Promise<readonly RegisteredModel[]> {
    return registeredModels(this.database.db);
  }
}

/** Of each model the version that registered last. */
export const currentModels = async (db: Kysely<Tables>): Promise<readonly Manifest[]> =>
  (await registeredModels(db)).map(({ manifest }) => manifest);

async function registeredModels(db: Kysely<Tables>): Promise<readonly RegisteredModel[]> {
  const rows = await db
    .selectFrom('model')
    .distinctOn('model_id')
    .select(['manifest', 'registered_at'])
    .orderBy('model_id')
    .orderBy('registered_at', 'desc')
    .execute();
  return rows.map((row) => ({ manifest: manifestOf(row.manifest), registeredAt: row.registered_at }));
}

export const manifestOf = (json: object): Manifest => parseManifest(worker.Manifest.fromJSON(json));

/** A model belongs to the vendor that registered it: another's new version would get its jobs. */
async function assertModelOf(trx: Transaction<Tables>, modelId: string, vendor: string): Promise<void> {
  const { rows } = await sql`
    select 1 from model where model_id = ${modelId} and manifest -> 'model' ->> 'vendor' <> ${vendor} limit 1`.execute(
    trx,
  );
  if (rows.length > 0) throw new VendorMismatchError(`the model ${modelId} is another vendor's`);
}
