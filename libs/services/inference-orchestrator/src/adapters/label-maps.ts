import type { Database } from '@callosum/database';
import { newId } from '@callosum/kernel';
import type { ObjectStore } from '@callosum/object-store';
import { sql } from 'kysely';

import type { LabelMaps } from '../application/ports.js';
import { jobRetentionDays } from './postgres/job-queries.js';
import type { Tables } from './postgres/tables.js';

/** A worker that writes while its job ends meets no missing row. */
const lingerSeconds = 600;
const pruneRowsMax = 1_000;

/**
 * Label maps in the object store under `<site>/results/<job>/`. The digest is known only once the bytes are stored,
 * so the key is a random one and the row ties both together.
 */
export class StoredLabelMaps implements LabelMaps {
  constructor(
    private readonly database: Database<Tables>,
    private readonly objects: ObjectStore,
    private readonly site: string,
  ) {}

  async labelsOf(jobId: string): Promise<ReadonlyMap<string, readonly number[]>> {
    const rows = await this.database.db
      .selectFrom('label_map')
      .select(['sha256', 'labels'])
      .where('job_id', '=', jobId)
      .execute();
    return new Map(rows.map(({ sha256, labels }) => [sha256, labels]));
  }

  async keyOf(jobId: string, sha256: string): Promise<string | undefined> {
    const row = await this.database.db
      .selectFrom('label_map')
      .select('object_key')
      .where('job_id', '=', jobId)
      .where('sha256', '=', sha256)
      .executeTakeFirst();
    return row?.object_key;
  }

  async store(jobId: string, source: AsyncIterable<Uint8Array>, labels: () => readonly number[]): Promise<string> {
    const key = `${this.site}/results/${jobId}/${newId()}`;
    const { sha256 } = await this.objects.put(key, source);
    const { numAffectedRows } = await sql`
      insert into label_map (job_id, sha256, object_key, labels) values (${jobId}, ${sha256}, ${key}, ${[...labels()]})
      on conflict do nothing`.execute(this.database.db);
    // The same bytes were stored by an earlier attempt.
    if (numAffectedRows === 0n) await this.objects.delete(key);
    return sha256;
  }

  async prune(): Promise<number> {
    const { rows } = await sql<{ job_id: string; sha256: string; object_key: string }>`
      select l.job_id, l.sha256, l.object_key from label_map l join job j on j.id = l.job_id
      where (j.ended_at < now() - make_interval(secs => ${lingerSeconds}) and l.object_key is distinct from j.artifact_key)
        or j.ended_at < now() - make_interval(days => ${jobRetentionDays})
      limit ${pruneRowsMax}`.execute(this.database.db);
    for (const { job_id, sha256, object_key } of rows) {
      // The object first: a row that stays is found again, an object without a row is not.
      await this.objects.delete(object_key);
      await this.database.db
        .deleteFrom('label_map')
        .where('job_id', '=', job_id)
        .where('sha256', '=', sha256)
        .execute();
    }
    return rows.length;
  }
}
