import { createHash } from 'node:crypto';

import { type Database, DatabaseUnavailableError, isTransientDatabaseError } from '@callosum/database';
import { type Kysely, sql, type Transaction } from 'kysely';

import type {
  LockKey,
  ResourceReader,
  ResourceStore,
  ResourceWriter,
  SearchResult,
  StoredVersion,
  VersionToWrite,
} from '../../application/ports.js';
import type { Criteria } from '../../domain/criteria.js';
import { headOf, keyOf, toContent, toIndexRow, toVersion } from './rows.js';
import { filterCondition } from './search-conditions.js';
import type { FhirGatewayTables } from './tables.js';

/** Advisory locks stand in one fixed-size table of the server: keys are folded into this many. Two keys that fold together only wait. */
const lockBuckets = 4_096;
/** First half of the advisory lock key: this service's conditions. */
const lockSpace = 0x0f_41_72;
/** A statement takes at most 65,535 parameters, and planning one with more rows than this costs more than it saves. */
const rowsPerStatement = 1_000;
/** A deadlock is over once one side gave way; a third time it is load, and the caller should know. */
const attemptsMax = 3;

/** Resources in the service's own schema. Reads see committed state; `transaction` gives all or nothing. */
export class PostgresResourceStore implements ResourceStore {
  private readonly reader: ResourceReader;

  constructor(private readonly database: Database<FhirGatewayTables>) {
    this.reader = new Rows(database.db);
  }

  current(resourceType: string, id: string): Promise<StoredVersion | undefined> {
    return guarded(() => this.reader.current(resourceType, id));
  }

  version(resourceType: string, id: string, version: number): Promise<StoredVersion | undefined> {
    return guarded(() => this.reader.version(resourceType, id, version));
  }

  history(
    resourceType: string,
    id: string,
    page: { count: number; offset: number },
  ): Promise<{ versions: readonly StoredVersion[]; total: number }> {
    return guarded(() => this.reader.history(resourceType, id, page));
  }

  search(criteria: Criteria): Promise<SearchResult> {
    return guarded(() => this.reader.search(criteria));
  }

  async transaction<T>(locks: readonly LockKey[], work: (writer: ResourceWriter) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        // READ COMMITTED: after its locks are held, every statement sees what their last holder committed.
        return await guarded(() =>
          this.database.db.transaction().execute(async (trx) => {
            await takeLocks(trx, locks);
            return work(new Rows(trx));
          }),
        );
      } catch (error) {
        if (attempt >= attemptsMax || !isConflict(error)) throw error;
      }
    }
  }
}

/** Serialization failure, deadlock, or two creations of the same id: the transaction decides anew on what is there now. */
const isConflict = (error: unknown): boolean => {
  const cause = error instanceof DatabaseUnavailableError ? error.cause : error;
  return ['40001', '40P01', '23505'].includes(String((cause as { code?: unknown } | undefined)?.code));
};

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isTransientDatabaseError(error))
      throw new DatabaseUnavailableError('the FHIR store is not available', { cause: error });
    throw error;
  }
}

/** Always in ascending order, so that no two transactions wait for each other. */
async function takeLocks(trx: Transaction<FhirGatewayTables>, locks: readonly LockKey[]): Promise<void> {
  const buckets = new Map<number, boolean>();
  for (const { key, exclusive } of locks) {
    const bucket = createHash('sha256').update(key).digest().readUInt32BE(0) % lockBuckets;
    buckets.set(bucket, exclusive || buckets.get(bucket) === true);
  }
  for (const [bucket, exclusive] of [...buckets].sort(([a], [b]) => a - b)) {
    await (
      exclusive
        ? sql`select pg_advisory_xact_lock(${lockSpace}::int, ${bucket}::int)`
        : sql`select pg_advisory_xact_lock_shared(${lockSpace}::int, ${bucket}::int)`
    ).execute(trx);
  }
}

class Rows implements ResourceWriter {
  constructor(private readonly db: Kysely<FhirGatewayTables>) {}

  current(resourceType: string, id: string): Promise<StoredVersion | undefined> {
    return this.head(resourceType, id, false);
  }

  currentForUpdate(resourceType: string, id: string): Promise<StoredVersion | undefined> {
    return this.head(resourceType, id, true);
  }

  private async head(resourceType: string, id: string, forUpdate: boolean): Promise<StoredVersion | undefined> {
    const query = this.joined().where('resource.resource_type', '=', resourceType).where('resource.id', '=', id);
    const row = await (forUpdate ? query.forUpdate('resource') : query).executeTakeFirst();
    return row && toVersion(row);
  }

  private joined() {
    return this.db
      .selectFrom('resource')
      .innerJoin('resource_version', (join) =>
        join
          .onRef('resource_version.resource_type', '=', 'resource.resource_type')
          .onRef('resource_version.id', '=', 'resource.id')
          .onRef('resource_version.version', '=', 'resource.version'),
      )
      .selectAll('resource_version');
  }

  async version(resourceType: string, id: string, version: number): Promise<StoredVersion | undefined> {
    const row = await this.versions(resourceType, id).where('version', '=', version).executeTakeFirst();
    return row && toVersion(row);
  }

  async history(
    resourceType: string,
    id: string,
    { count, offset }: { count: number; offset: number },
  ): Promise<{ versions: readonly StoredVersion[]; total: number }> {
    const rows = await this.versions(resourceType, id).orderBy('version', 'desc').limit(count).offset(offset).execute();
    const head = await this.db
      .selectFrom('resource')
      .select('version')
      .where('resource_type', '=', resourceType)
      .where('id', '=', id)
      .executeTakeFirst();
    return { versions: rows.map(toVersion), total: head?.version ?? 0 };
  }

  private versions(resourceType: string, id: string) {
    return this.db
      .selectFrom('resource_version')
      .selectAll()
      .where('resource_type', '=', resourceType)
      .where('id', '=', id);
  }

  async search({ resourceType, filters, sort, count, offset, total, countOnly }: Criteria): Promise<SearchResult> {
    const matching = this.db
      .selectFrom('resource')
      .where('resource.resource_type', '=', resourceType)
      .where('resource.deleted', '=', false)
      .where((eb) => eb.and(filters.map((filter) => filterCondition(eb, resourceType, filter))));
    const counted =
      total || countOnly
        ? await matching.select(({ fn }) => fn.countAll<number>().as('total')).executeTakeFirstOrThrow()
        : undefined;
    if (countOnly) return { matches: [], total: counted?.total ?? 0 };
    let page = matching.select([
      'resource.resource_type',
      'resource.id',
      'resource.version',
      'resource.last_updated',
      'resource.seq',
    ]);
    for (const { by, descending } of sort)
      page = page.orderBy(by === '_id' ? 'resource.id' : 'resource.last_updated', descending ? 'desc' : 'asc');
    page = page
      .orderBy('resource.seq')
      .limit(count + 1)
      .offset(offset);
    const heads = await page.execute();
    const contents = await this.contents(resourceType, heads);
    return {
      matches: heads.flatMap(({ id }) => contents.get(id) ?? []),
      ...(counted ? { total: counted.total } : {}),
    };
  }

  private async contents(resourceType: string, heads: readonly { id: string }[]): Promise<Map<string, StoredVersion>> {
    if (heads.length === 0) return new Map();
    const ids = heads.map(({ id }) => id);
    const rows = await this.joined()
      .where('resource.resource_type', '=', resourceType)
      .where('resource.id', 'in', ids)
      .execute();
    return new Map(rows.map((row) => [row.id, toVersion(row)]));
  }

  async write(versions: readonly VersionToWrite[]): Promise<void> {
    const first = versions.filter(({ version }) => version === 1);
    for (const rows of chunks(first.map((version) => ({ ...keyOf(version), ...headOf(version) }))))
      await this.db.insertInto('resource').values(rows).execute();
    for (const version of versions) {
      if (version.version === 1) continue;
      await this.db
        .updateTable('resource')
        .set(headOf(version))
        .where('resource_type', '=', version.resourceType)
        .where('id', '=', version.id)
        .execute();
    }
    const contents = versions.map((one) => ({
      ...keyOf(one),
      version: one.version,
      method: one.method,
      last_updated: one.lastUpdated,
      content: toContent(one.resource),
    }));
    for (const rows of chunks(contents)) await this.db.insertInto('resource_version').values(rows).execute();
    await this.clearIndex(versions.filter(({ version }) => version > 1));
    await this.writeIndex(versions);
  }

  async amend(versions: readonly VersionToWrite[]): Promise<void> {
    for (const rows of chunks(versions)) {
      await sql`
        update resource_version as old set content = new.content::json
        from unnest(
          ${rows.map(({ resourceType }) => resourceType)}::text[], ${rows.map(({ id }) => id)}::text[],
          ${rows.map(({ version }) => version)}::bigint[], ${rows.map(({ resource }) => toContent(resource))}::text[]
        ) as new (resource_type, id, version, content)
        where old.resource_type = new.resource_type and old.id = new.id and old.version = new.version`.execute(this.db);
    }
    await this.clearIndex(versions);
    await this.writeIndex(versions);
  }

  private async clearIndex(versions: readonly VersionToWrite[]): Promise<void> {
    for (const rows of chunks(versions)) {
      await sql`
        delete from search_index as old
        using unnest(${rows.map(({ resourceType }) => resourceType)}::text[], ${rows.map(({ id }) => id)}::text[]) as gone (resource_type, id)
        where old.resource_type = gone.resource_type and old.id = gone.id`.execute(this.db);
    }
  }

  private async writeIndex(versions: readonly VersionToWrite[]): Promise<void> {
    const rows = versions.flatMap((version) => version.index.map((entry) => toIndexRow(version, entry)));
    for (const some of chunks(rows)) await this.db.insertInto('search_index').values(some).execute();
  }
}

function* chunks<T>(rows: readonly T[]): Generator<T[]> {
  for (let start = 0; start < rows.length; start += rowsPerStatement) yield rows.slice(start, start + rowsPerStatement);
}
