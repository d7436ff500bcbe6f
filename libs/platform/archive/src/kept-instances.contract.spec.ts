import { connect, type Database, type DatabaseConfig } from '@callosum/database';
import { fillIntake, orSkip, startPostgres, type TestPostgres } from '@callosum/testing';
import type { Kysely } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type KeptBlob, KeptInstances } from './kept-instances.js';
import type { ArchiveTables } from './tables.js';
import { prepareArchive } from './test-support/open-archive.js';

const postgres = await orSkip(startPostgres);
afterAll(() => postgres.server?.stop());

describe.skipIf(postgres.missing)(`the blobs of a selection${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
  let config: DatabaseConfig;
  let admin: Database<never>;
  let db: Kysely<ArchiveTables>;
  let study: string;

  beforeAll(async () => {
    config = await (postgres.server as TestPostgres).createDatabase();
    await prepareArchive(config);
    admin = connect<never>(config, 'archive', () => undefined);
    db = admin.db as unknown as Kysely<ArchiveTables>;
    await admin.pool.query(fillIntake(1_000));
    const { rows } = await admin.pool.query<{ study: string }>(
      'select study_instance_uid as study from intake group by 1 order by count(*) desc limit 1',
    );
    study = rows[0]?.study ?? '';
    // Of those of the study one is hidden, one is not the current one, and one is of another site.
    const change = (set: string, at: number): Promise<unknown> =>
      admin.pool.query(
        `update intake set ${set} where id = (select id from intake where study_instance_uid = $1 order by id offset $2 limit 1)`,
        [study, at],
      );
    await change('withheld = true', 3);
    await change('current = false', 5);
    await change("site = 'elsewhere'", 7);
  });
  afterAll(() => admin?.close());

  /** What the ledger says of them, in the order they came. */
  const expected = async (): Promise<unknown[]> => {
    const { rows } = await admin.pool.query(
      `select study_instance_uid as "studyInstanceUid", series_instance_uid as "seriesInstanceUid",
          sop_instance_uid as "sopInstanceUid", transfer_syntax_uid as "transferSyntaxUid", blob_key as "blobKey",
          byte_count as "byteCount"
        from intake where site = 'default' and current and not withheld and study_instance_uid = $1 order by id`,
      [study],
    );
    return rows;
  };

  it.each([
    ['at once', 5_000],
    ['by a cursor', 100],
    ['by a cursor whose last page is full', 1],
  ])('are all that are shown, in the order they came, read %s', async (_how, rowsMax) => {
    const wanted = await expected();
    expect(wanted.length).toBeGreaterThan(300);
    expect(await new KeptInstances(db, 'default', rowsMax).blobsOf({ studyInstanceUid: study })).toEqual(wanted);
  });

  it('are those of a series, of an instance, of a list, and none where there are none', async () => {
    const kept = new KeptInstances(db, 'default', 10);
    const all = await kept.blobsOf({ studyInstanceUid: study });
    const [one, two] = all as [(typeof all)[0], (typeof all)[0]];
    const { seriesInstanceUid, sopInstanceUid } = one;
    expect(await kept.blobsOf({ studyInstanceUid: study, seriesInstanceUid })).toEqual(
      all.filter((other) => other.seriesInstanceUid === seriesInstanceUid),
    );
    expect(await kept.blobsOf({ studyInstanceUid: study, sopInstanceUid })).toEqual([one]);
    const sopInstanceUids = [two.sopInstanceUid, sopInstanceUid, '1.2.3'];
    expect(await kept.blobsOf({ studyInstanceUid: study, sopInstanceUids })).toEqual([one, two]);
    expect(await kept.blobsOf({ studyInstanceUid: '1.2.3' })).toEqual([]);
  });

  it('are those of one moment: what is corrected while they are read is there once', async () => {
    const wanted = await expected();
    // The transaction of the cursor is in the pool beside others that change what it reads.
    const reading = new KeptInstances(db, 'default', 7).blobsOf({ studyInstanceUid: study });
    const changing = Array.from({ length: 20 }, (_, i) =>
      admin.pool.query(
        `update intake set withheld = false where id =
            (select id from intake where study_instance_uid = $1 order by id desc offset $2 limit 1)`,
        [study, i],
      ),
    );
    const [found] = await Promise.all([reading, ...changing]);
    expect(new Set(found.map((one) => one.sopInstanceUid)).size).toBe(found.length);
    expect(found).toEqual(wanted);
  });

  it('of one instance are found by one plan for any of them, by its index', async () => {
    const shown = (await expected()) as KeptBlob[];
    const one = connect<ArchiveTables>({ ...config, poolMax: 1 }, 'archive', () => undefined);
    try {
      const kept = new KeptInstances(one.db, 'default');
      for (const blob of shown.slice(0, 10)) {
        const { studyInstanceUid, sopInstanceUid } = blob;
        expect(await kept.blobsOf({ studyInstanceUid, sopInstanceUid })).toEqual([blob]);
      }
      // The first five of a statement are planned for their values.
      const statements = await one.pool.query('select name, generic_plans::int as plans from pg_prepared_statements');
      expect(statements.rows).toEqual([{ name: 'p0', plans: 5 }]);
      const uid = shown[10]?.sopInstanceUid;
      const { rows } = await one.pool.query<{ 'QUERY PLAN': string }>(
        `explain execute p0('default', '${study}', '${uid}', 5001)`,
      );
      expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toMatch(/Index Scan using intake_current/);
    } finally {
      await one.close();
    }
  });
});
