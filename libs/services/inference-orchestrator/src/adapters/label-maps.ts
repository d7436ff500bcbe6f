import type { Database } from '@callosum/database';
import { newId } from '@callosum/kernel';
import type { ObjectStore } from '@callosum/object-store';
import { sql } from 'kysely';

import type { LabelMaps } from '../application/ports.js';
import type { Tables } from './postgres/tables.js';

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
}
