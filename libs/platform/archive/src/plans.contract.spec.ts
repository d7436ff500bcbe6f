import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { connect, type Database, type DatabaseConfig } from '@callosum/database';
import { Inbox, OutboxRelay, ParkedStore, PostgresOutbox } from '@callosum/event-log';
import { systemClock } from '@callosum/kernel';
import { FileObjectStore } from '@callosum/object-store';
import {
  fillInbox,
  fillIntake,
  fullReads,
  orSkip,
  recordStatements,
  startPostgres,
  type Statement,
  type TestPostgres,
} from '@callosum/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { Acknowledged } from './acknowledged.js';
import { dueRows, erasuresUnderWay, nextDueStudy } from './erasure-rows.js';
import { Ledger } from './ledger.js';
import type { LedgerEntry } from './pending-row.js';
import type { ArchiveTables } from './tables.js';
import { openArchive, prepareArchive } from './test-support/open-archive.js';
import type { Kysely } from 'kysely';

const postgres = await orSkip(startPostgres);
afterAll(() => postgres.server?.stop());
const rows = 100_000;
const large = ['intake', 'inbox', 'outbox', 'parked', 'withheld_instance'];

describe.skipIf(postgres.missing)(
  `on ${rows} rows no table is read from end to end${postgres.missing ? ` (${postgres.missing})` : ''}`,
  () => {
    let config: DatabaseConfig;
    let admin: Database<never>;
    let folder: string;
    let database: Database<never>;
    let archive: ReturnType<typeof openArchive>['archive'];
    let ledger: Ledger;
    let recorded: Statement[];
    let retained: string;
    let known: { sop_instance_uid: string; study_instance_uid: string; series_instance_uid: string; blob_key: string };

    beforeAll(async () => {
      config = await (postgres.server as TestPostgres).createDatabase();
      await prepareArchive(config);
      admin = connect<never>({ ...config, statementTimeoutMs: 600_000 }, 'archive', () => undefined);
      await admin.pool.query(fillIntake(rows));
      // Corrections and conflicts.
      await admin.pool.query(`insert into intake (site, study_instance_uid, series_instance_uid, sop_instance_uid,
          sop_class_uid, transfer_syntax_uid, revision, current, decision, blob_key, byte_count, sha256, dataset_sha256,
          origin, source, issued_by_callosum, stored_at)
        select site, study_instance_uid, series_instance_uid, sop_instance_uid, sop_class_uid, transfer_syntax_uid, 2, false,
          'conflicting-pixels', blob_key || '-2', byte_count, sha256, dataset_sha256, origin, source, false, stored_at
        from intake where id % 20 = 0`);
      await admin.pool.query(fillInbox(rows));
      await admin.pool.query(`insert into outbox (topic, key, event_id, type, source, time, site, correlation_id, value)
      select 't', 'k' || n, md5(n::text), 't', 's', now(), 'default', 'c', '{}' from generate_series(1, 20000) as n`);
      await admin.pool
        .query(`insert into parked (consumer_group, topic, key, event_id, type, source, time, site, correlation_id, value)
      select 'g' || n % 7, 't', 'k' || n, md5(n::text), 't', 's', now(), 'default', 'c', '{}' from generate_series(1, 20000) as n`);
      // All of them erased, but for a few that are due.
      await admin.pool
        .query(`insert into withheld_instance (site, study_instance_uid, sop_instance_uid, series_instance_uid, sequence,
          withheld, reason, admits_again, erase_at, erased)
        select 'default', study_instance_uid, sop_instance_uid, series_instance_uid, 1, true, 'retention', true,
          now() - interval '1 day', id > 10 from intake where current`);
      await admin.pool.query('vacuum analyze');
      // Of 500 instances, and with the whole of its study among the rows.
      [{ retained }] = (await admin.pool.query('select study_instance_uid as retained from intake where id = 30000'))
        .rows as [{ retained: string }];
      [known] = (await admin.pool.query<typeof known>('select * from intake where id = 54321')).rows as [typeof known];
      folder = mkdtempSync(join(tmpdir(), 'callosum-plans-'));
      ({ archive, database } = openArchive(config, new FileObjectStore({ root: folder, diskFreeBytesMin: 0 })));
      recorded = recordStatements(database.pool);
      ledger = new Ledger(
        database.db as unknown as Kysely<ArchiveTables>,
        new PostgresOutbox({ service: 'plans' }),
        'default',
      );
    });
    afterAll(async () => {
      await Promise.all([admin?.close(), database?.close()]);
      rmSync(folder ?? '', { recursive: true, force: true });
    });
    beforeEach(() => void (recorded.length = 0));

    const judge = async (): Promise<void> => {
      expect(recorded.length).toBeGreaterThan(0);
      for (const statement of recorded)
        expect(await fullReads(admin.pool, statement, large), statement.text).toEqual([]);
    };

    it.each<[string, () => Promise<unknown>]>([
      ['by SOP Instance UID', () => ledger.kept(known.sop_instance_uid)],
      [
        'by SOP Instance UIDs of a commitment',
        () => archive.keptClasses([known.sop_instance_uid, ...Array.from({ length: 1_500 }, (_, i) => `1.2.9.${i}`)]),
      ],
      [
        'what somebody hears is kept',
        async () => {
          const parts = { store: new FileObjectStore({ root: folder, diskFreeBytesMin: 0 }), clock: systemClock };
          const db = database.db as unknown as Kysely<ArchiveTables>;
          const [entry] = await ledger.kept(known.sop_instance_uid);
          expect(await new Acknowledged({ ...parts, db, site: 'default' }).says(entry as LedgerEntry)).toBe(true);
        },
      ],
      ['by study', () => archive.locate({ studyInstanceUid: known.study_instance_uid })],
      [
        'by series',
        () =>
          archive.locate({ studyInstanceUid: known.study_instance_uid, seriesInstanceUid: known.series_instance_uid }),
      ],
      [
        'by instance of a study',
        () => archive.locate({ studyInstanceUid: known.study_instance_uid, sopInstanceUid: known.sop_instance_uid }),
      ],
      ['the blobs of a study', () => archive.blobsOf({ studyInstanceUid: known.study_instance_uid })],
      [
        'the blob of an instance',
        () => archive.blobsOf({ studyInstanceUid: known.study_instance_uid, sopInstanceUid: known.sop_instance_uid }),
      ],
      ['the numbers of a study', () => archive.intakeOf(known.study_instance_uid)],
      ['the source instances of a study', () => archive.sourceInstancesOf(known.study_instance_uid)],
      [
        'what a deletion hides, and a restore shows again',
        async () => {
          const scope = { studyInstanceUid: known.study_instance_uid };
          const hide = { reason: 'person', actor: 'plans', eraseAfterMs: null } as const;
          const series = { ...scope, seriesInstanceUid: known.series_instance_uid };
          await archive.tombstones.hide({ ...series, sopInstanceUid: known.sop_instance_uid }, hide);
          await archive.tombstones.hide(series, hide);
          await archive.tombstones.hide(scope, hide);
          await archive.tombstones.restore(scope, hide);
        },
      ],
      [
        'what a legal hold keeps',
        async () => {
          await archive.tombstones.hold(known.study_instance_uid, { actor: 'plans' });
          await archive.tombstones.release(known.study_instance_uid, { actor: 'plans' });
        },
      ],
      [
        'what retention lets go',
        async () => {
          const over = { quietSince: new Date(), sourceInstances: 500, eraseAfterMs: null };
          const { instances } = await archive.tombstones.letGo(retained, over);
          expect(instances).toBe(500);
        },
      ],
      [
        'what is due to be erased',
        async () => {
          const asked = { from: undefined, now: new Date(), leftOut: [] };
          const due = await nextDueStudy(database.db, 'default', asked);
          await dueRows(database.db, 'default', due?.study ?? '', asked.now);
          await erasuresUnderWay(database.db, 'default', 0);
        },
      ],
      ['by blobs, as the sweeper and a recovery ask', () => ledger.named([known.blob_key, 'default/blobs/unknown'])],
      ['what Callosum made, found again', () => ledger.reissue(['1.2.3', '1.2.4'])],
      ['all of it, page by page', () => archive.current().next()],
      [
        'what a handler has done already',
        () => database.db.transaction().execute((trx) => Inbox.once(trx, 'g', { id: 'x' })),
      ],
      ['an inbox that is pruned', () => Inbox.prune(database.db)],
      [
        'what a relay sends next',
        () =>
          new OutboxRelay({ db: database.db, schema: 'archive', onError: () => undefined, log: nowhere }).sendOnce(),
      ],
      [
        'what is parked of a key',
        () =>
          new ParkedStore(database.db, new PostgresOutbox({ service: 'plans' })).holds({
            group: 'g1',
            topic: 't',
            key: 'k1',
          }),
      ],
    ])('%s', async (_what, ask) => {
      await ask();
      await judge();
    });

    it('prunes in portions, and all that is old', async () => {
      const { rows: left } = await admin.pool.query<{ old: number }>(
        "select count(*) as old from inbox where received_at < now() - interval '300 days'",
      );
      expect(left[0]?.old).toBe(0);
    });

    it('would tell: a query without an index is found out', async () => {
      await database.pool.query('select * from intake where sha256 = $1', ['x']);
      const [statement] = recorded as [Statement];
      expect(await fullReads(admin.pool, statement, large)).toEqual(['intake']);
    });
  },
);

const nowhere = { append: () => Promise.resolve() } as never;
