import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Archive, archiveMigrations } from '@callosum/archive';
import { connect, type Database, migrate } from '@callosum/database';
import { eventTablesMigrations, PostgresOutbox } from '@callosum/event-log';
import { FileObjectStore } from '@callosum/object-store';
import { tinyCt, tinySeries } from '@callosum/phantom';
import { createLogger } from '@callosum/telemetry';
import { orSkip, startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { ArchiveInstances } from './adapters/archive-instances.js';
import { type StoreAnswer, StoreInstances, type StoreLimits } from './application/store-instances.js';
import { inChunks, multipart } from './test-support/multipart.js';
import { storeLimits } from './test-support/store-limits.js';

const postgres = await orSkip(startPostgres);
afterAll(() => postgres.server?.stop());

describe.skipIf(postgres.missing)(
  `a STOW-RS request into an archive${postgres.missing ? ` (${postgres.missing})` : ''}`,
  () => {
    let database: Database<never>;
    let archive: Archive;
    const root = mkdtempSync(join(tmpdir(), 'callosum-stow-'));

    beforeAll(async () => {
      const config = await (postgres.server as TestPostgres).createDatabase();
      database = connect<never>(config, 'archive', () => undefined);
      await sql`create schema if not exists archive`.execute(database.db);
      await migrate(database.db, 'archive', { ...eventTablesMigrations, ...archiveMigrations });
      archive = new Archive({
        database,
        objectStore: new FileObjectStore({ root, diskFreeBytesMin: 0 }),
        outbox: new PostgresOutbox({ service: 'dicomweb' }),
        site: 'default',
        logger: createLogger('stow-test', 'silent'),
      });
    });
    afterAll(async () => {
      await database?.close();
      rmSync(root, { recursive: true, force: true });
    });
    afterEach(() => database.pool.query('truncate intake, outbox'));

    const send = (objects: readonly Uint8Array[], limits: Partial<StoreLimits> = {}): Promise<StoreAnswer> =>
      new StoreInstances(new ArchiveInstances(archive), { ...storeLimits, ...limits }, (error) => {
        throw error;
      }).store({
        contentType: 'multipart/related; type="application/dicom"; boundary=b',
        contentEncoding: '',
        body: inChunks(
          multipart(
            'b',
            objects.map((bytes) => ({ bytes })),
          ),
          64 * 1024,
        ),
        studyInstanceUid: undefined,
        source: 'test',
        asker: undefined,
        baseUrl: 'http://here/dicom-web',
      });
    const objects = (salt: string): Uint8Array[] => tinySeries({ salt, slices: 64 }).map(({ bytes }) => bytes);
    /** Transactions that wrote the rows there are. */
    const transactions = async (): Promise<number> => {
      const { rows } = await database.pool.query<{ count: string }>(
        'select count(distinct xmin::text) as count from intake',
      );
      return Number(rows[0]?.count);
    };
    const blobs = (): number =>
      readdirSync(root, { recursive: true, withFileTypes: true }).filter(
        (entry) => entry.isFile() && !entry.parentPath.includes('.staging'),
      ).length;

    it('has its rows and facts in fewer transactions than it has objects', async () => {
      // What becomes durable while a transaction runs shares the next one: here it runs longer than that takes.
      await database.pool.query(`create function slow() returns trigger language plpgsql
        as $$ begin perform pg_sleep(0.05); return null; end $$`);
      await database.pool.query('create trigger slow after insert on intake execute function slow()');
      const answer = await send(objects('shared'), { commitsMax: 8 });
      await database.pool.query('drop function slow cascade');
      expect(answer.status).toBe(200);
      expect(answer.dataset['00081199']?.Value).toHaveLength(64);
      expect(await transactions()).toBeLessThan(48);
      const { rows } = await database.pool.query<{ count: string }>('select count(*) as count from outbox');
      expect(Number(rows[0]?.count)).toBe(64);
    });

    it('has one each where one may become durable at a time', async () => {
      expect((await send(objects('single'), { commitsMax: 1 })).status).toBe(200);
      expect(await transactions()).toBe(64);
    });

    it('keeps the first of a SOP Instance UID current, however long it takes to become durable', async () => {
      const uids = { StudyInstanceUID: '1.2.3', SeriesInstanceUID: '1.2.3.4', SOPInstanceUID: '1.2.3.4.5' };
      // The first is a thousand times as large, and has other pixels.
      const large = tinyCt({ ...uids, Rows: 1_024, Columns: 1_024 }).bytes;
      const small = tinyCt(uids).bytes;
      const others = objects('between').slice(0, 3);
      const answer = await send([large, ...others, small]);
      expect(answer.status).toBe(202);
      const { rows } = await database.pool.query<{ byte_count: string; current: boolean; decision: string }>(
        "select byte_count, current, decision from intake where sop_instance_uid = '1.2.3.4.5' order by id",
      );
      expect(rows.map(({ byte_count, current, decision }) => [Number(byte_count), current, decision])).toEqual([
        [large.length, true, 'stored'],
        [small.length, false, 'conflicting-pixels'],
      ]);
    });

    it('says of a conflict that it is one, and nowhere to be retrieved, however often it is sent', async () => {
      const uids = { StudyInstanceUID: '1.2.3', SeriesInstanceUID: '1.2.3.4', SOPInstanceUID: '1.2.3.4.7' };
      const first = tinyCt(uids).bytes;
      const conflicts = [
        [tinyCt(uids, 7).bytes, 0xb0c0],
        [tinyCt({ ...uids, StudyInstanceUID: '1.2.4' }).bytes, 0xb0c1],
      ] as const;
      expect((await send([first])).status).toBe(200);
      for (const [bytes, reason] of [...conflicts, ...conflicts]) {
        const { status, dataset } = await send([bytes]);
        expect([status, dataset['00081190']]).toEqual([202, { vr: 'UR' }]);
        expect(dataset['00081199']?.Value).toMatchObject([
          { '00081190': { vr: 'UR' }, '00081196': { Value: [reason] } },
        ]);
      }
      const { status, dataset } = await send([first]);
      expect([status, dataset['00081190']?.Value]).toEqual([200, ['http://here/dicom-web/studies/1.2.3']]);
      const { rows } = await database.pool.query("select 1 from intake where sop_instance_uid = '1.2.3.4.7'");
      expect(rows).toHaveLength(3);
    });

    it('leaves nothing of what it refuses', async () => {
      const before = blobs();
      const verification = tinyCt({ SOPClassUID: '1.2.840.10008.1.1' }).bytes;
      const cut = tinyCt({ SOPInstanceUID: '1.2.3.4.6', Rows: 256, Columns: 256 }).bytes.subarray(0, 100_000);
      const answer = await send([verification, Buffer.from('junk'), cut]);
      expect(answer.status).toBe(409);
      expect([blobs(), await transactions()]).toEqual([before, 0]);
    });
  },
);
