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
/** An upload lasts no longer than its attempt, which a site may allow a day. */
const orphanAgeMs = 24 * 3_600_000;

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

  /**
   * Objects are written before their rows, so one without a row may be about to get it: it is let be for a day. Of a
   * job that is there only label maps are touched, whose names have no ending; what else lies there has other rows.
   */
  async sweep(now: Date): Promise<number> {
    const before = now.getTime() - orphanAgeMs;
    let swept = 0;
    let batch: string[] = [];
    const flush = async (): Promise<void> => {
      const orphans = await this.orphansAmong(batch);
      for (const key of orphans) await this.objects.delete(key);
      swept += orphans.length;
      batch = [];
    };
    for await (const { key, modifiedAt } of this.objects.list(`${this.site}/results/`)) {
      if (modifiedAt.getTime() > before) continue;
      if (batch.push(key) >= pruneRowsMax) await flush();
    }
    if (batch.length > 0) await flush();
    return swept;
  }

  private async orphansAmong(keys: readonly string[]): Promise<string[]> {
    const jobIdAt = `${this.site}/results/`.length + 1;
    const { rows } = await sql<{ key: string }>`
      select key from (
        select key, case when part ~ '^[0-9a-f-]{36}$' then part::uuid end as job_id
        from unnest(${[...keys]}::text[]) as key, split_part(substr(key, ${jobIdAt}::int), '/', 1) as part
      ) as object
      where not exists (select from label_map where object_key = key)
        and not exists (select from job where id = job_id and (artifact_key = key or key ~ '\\.[^/]*$'))`.execute(
      this.database.db,
    );
    return rows.map(({ key }) => key);
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
