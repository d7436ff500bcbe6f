import { worker } from '@callosum/contracts';
import type { Database } from '@callosum/database';
import { type Kysely, sql, type Transaction } from 'kysely';

import type { Models, RegisteredModel } from '../../application/ports.js';
import { InvalidManifestError, TooManyModelsError, VendorMismatchError } from '../../domain/errors.js';
import { type Manifest, parseManifest } from '../../domain/manifest.js';
import type { Tables } from './tables.js';

/**
 * Registrations and completed studies meet under this lock: a study that completes while a model registers is seen
 * by one of them. Advisory locks are the database's, so the first number names this service.
 */
const registrationLock = sql.raw('1_229_340_748, 1');

export const lockForStudy = (trx: Transaction<Tables>): Promise<unknown> =>
  sql`select pg_advisory_xact_lock_shared(${registrationLock})`.execute(trx);

export interface ModelLimits {
  /** A model that registers for the first time gets studies completed within this time. */
  readonly backfillMs: number;
  /** Models and versions in use at once. */
  readonly modelsMax: number;
  /** A model no worker has served for this long is out of use. */
  readonly retentionMs: number;
}

export class PostgresModels implements Models {
  constructor(
    private readonly database: Database<Tables>,
    private readonly limits: ModelLimits,
  ) {}

  /** Keeps the manifest, newest word first. A model seen for the first time (in long) will be offered recent studies. */
  async register(raw: worker.Manifest, vendor?: string): Promise<Manifest> {
    const manifest = parseManifest(raw);
    const { modelId, version } = manifest.model;
    if (vendor !== undefined && manifest.model.vendor !== vendor)
      throw new VendorMismatchError('the manifest names another vendor than the credential is for');
    const json = JSON.stringify(worker.Manifest.toJSON(raw));
    const from = sql`now() - make_interval(secs => ${this.limits.backfillMs / 1000})`;
    await this.database.db.transaction().execute(async (trx) => {
      await sql`select pg_advisory_xact_lock(${registrationLock})`.execute(trx);
      if (vendor !== undefined) await assertModelOf(trx, modelId, vendor);
      await this.assertRoomFor(trx, modelId, version);
      await sql`
        insert into model (model_id, version, manifest, backfill_from, backfill_next_at)
        values (${modelId}, ${version}, ${json}, ${from}, now())
        on conflict (model_id, version) do update
        set manifest = excluded.manifest, registered_at = now(), seen_at = now(), retired_at = null,
          backfill_from = case when model.retired_at is null then model.backfill_from else excluded.backfill_from end,
          backfill_next_at = case when model.retired_at is null then model.backfill_next_at else now() end`.execute(
        trx,
      );
    });
    return manifest;
  }

  private async assertRoomFor(trx: Transaction<Tables>, modelId: string, version: string): Promise<void> {
    const { rows } = await sql<{ others: number }>`select count(*)::float8 as others from model
      where retired_at is null and (model_id, version) <> (${modelId}, ${version})`.execute(trx);
    if ((rows[0]?.others ?? 0) >= this.limits.modelsMax) throw new TooManyModelsError(this.limits.modelsMax);
  }

  async seen({ model: { modelId, version } }: Manifest): Promise<void> {
    await sql`update model set seen_at = now(), retired_at = null
      where model_id = ${modelId} and version = ${version}`.execute(this.database.db);
  }

  async retire(): Promise<void> {
    const { db } = this.database;
    await sql`update model set retired_at = now(), backfill_from = null, backfill_next_at = null
      where retired_at is null and seen_at < now() - make_interval(secs => ${this.limits.retentionMs / 1000})`.execute(
      db,
    );
    await sql`delete from model where retired_at is not null and not exists (
      select from job where job.model_id = model.model_id and job.model_version = model.version)`.execute(db);
  }

  registered(): Promise<readonly RegisteredModel[]> {
    return registeredModels(this.database.db);
  }
}

/** Of each model in use the version that registered last. */
export const currentModels = async (db: Kysely<Tables>): Promise<readonly Manifest[]> =>
  (await registeredModels(db)).map(({ manifest }) => manifest);

async function registeredModels(db: Kysely<Tables>): Promise<readonly RegisteredModel[]> {
  const rows = await db
    .selectFrom('model')
    .distinctOn('model_id')
    .select(['manifest', 'registered_at'])
    .where('retired_at', 'is', null)
    .orderBy('model_id')
    .orderBy('registered_at', 'desc')
    .execute();
  return rows.flatMap((row) => {
    const manifest = acceptable(row.manifest);
    return manifest ? [{ manifest, registeredAt: row.registered_at }] : [];
  });
}

/** A manifest kept by an earlier release may break a rule that came later: it serves nobody until it registers again. */
function acceptable(json: object): Manifest | undefined {
  try {
    return manifestOf(json);
  } catch (error) {
    if (error instanceof InvalidManifestError) return undefined;
    throw error;
  }
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
