import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type DatabaseConfig } from '@callosum/database';
import type { Attributes } from '@callosum/dicom';
import { newId, uuidToUid } from '@callosum/kernel';
import { FileObjectStore, ObjectNotFoundError, type ObjectStore, S3ObjectStore } from '@callosum/object-store';
import { tinyCt } from '@callosum/phantom';
import { orSkip, startPostgres, startS3, type TestPostgres, type TestS3 } from '@callosum/testing';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { newBlobKey, readBlobKey } from './blob-key.js';
import type { Intake, ReconcileProgress } from './index.js';
import { revisionKey } from './revision-marks.js';
import { type OpenArchive, openArchive, prepareArchive } from './test-support/open-archive.js';

const [postgres, s3] = await Promise.all([orSkip(startPostgres), orSkip(startS3)]);
const folder = await mkdtemp(join(tmpdir(), 'callosum-reconcile-'));
afterAll(async () => {
  await postgres.server?.stop();
  await s3.server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const scanner: Intake = { origin: 'dimse', source: 'CT1', associationId: newId() };
const client: Intake = { origin: 'stow', source: 'app/Zürich' };
const ours: Intake = { origin: 'callosum', source: 'result-publisher' };
const pacs: Intake = { origin: 'dimse', source: 'PACS', associationId: newId() };
const newUid = (): string => uuidToUid(newId());
const ct = (sopInstanceUid: string, storedValue = 1, more: Attributes = {}): Uint8Array =>
  tinyCt({ SOPInstanceUID: sopInstanceUid, ...more }, storedValue).bytes;

it('says in the key of a blob how it came, and in 255 bytes', () => {
  const at = new Date('2026-11-22T10:11:12.345Z');
  for (const intake of [scanner, client, ours, { ...pacs, source: 'ü'.repeat(48) }]) {
    const key = newBlobKey('default', intake, at);
    expect(readBlobKey(key)).toEqual({ key, arrivedAt: at, intake });
    expect(key).toMatch(/^default\/blobs\/2026-11-22\/[0-9a-f]{2}\/[\w.-]{1,255}$/);
  }
  expect(() => newBlobKey('default', { ...pacs, source: 'x'.repeat(97) }, at)).toThrow('96 bytes');
  for (const other of [
    'default/blobs/2026-01-01/aa/orphan',
    'default/labels/x',
    newBlobKey('a', ours, at).slice(0, -40),
  ])
    expect(readBlobKey(other)?.intake.associationId).toBeUndefined();
});

const stores: { name: string; missing: string | undefined; open: (name: string) => ObjectStore }[] = [
  {
    name: 'files',
    missing: undefined,
    open: (name) => new FileObjectStore({ root: join(folder, name), diskFreeBytesMin: 0 }),
  },
  { name: 'S3', missing: s3.missing, open: () => new S3ObjectStore(s3.server as TestS3) },
];

for (const { name, missing, open } of stores) {
  const reason = postgres.missing ?? missing;
  describe.skipIf(reason)(`the ledger from the blobs, on ${name}${reason ? ` (${reason})` : ''}`, () => {
    const server = postgres.server as TestPostgres;
    const opened: OpenArchive[] = [];
    let objects: ObjectStore;
    let config: DatabaseConfig;
    let here: OpenArchive;

    beforeAll(() => {
      objects = open(`objects-${name}`);
    });
    beforeEach(async () => {
      for await (const { key } of objects.list('default/')) await objects.delete(key);
      config = await server.createDatabase();
      await prepareArchive(config);
      here = openOn(config);
    });
    afterAll(async () => {
      for (const one of opened) await one.database.close().catch(() => undefined);
    });

    function openOn(database: DatabaseConfig): OpenArchive {
      const one = openArchive(database, objects);
      opened.push(one);
      return one;
    }
    /** A copy of the database as it is now; everyone who is connected is cut off. */
    async function dump(): Promise<DatabaseConfig> {
      await here.database.close();
      const copy = `${config.database}_dump`;
      const admin = new pg.Client(server.admin);
      await admin.connect();
      await admin.query(`create database ${copy} template ${config.database}`);
      await admin.end();
      here = openOn(config);
      return { ...config, database: copy };
    }
    async function rowsOf({ database }: OpenArchive): Promise<Record<string, unknown>[]> {
      const { rows } = await sql<{ row: Record<string, unknown> }>`
        select to_jsonb(i) - '{id,attributes_digest,pixel_digest,acknowledged_at}'::text[] as row from intake i
        order by sop_instance_uid, revision`.execute(database.db);
      return rows.map(({ row }) => row);
    }
    async function factsOf({ database }: OpenArchive): Promise<Record<string, unknown>[]> {
      const { rows } = await sql<{ value: string }>`select value from outbox order by id`.execute(database.db);
      return rows.map(({ value }) => JSON.parse(value) as Record<string, unknown>);
    }
    async function reconcile({ archive }: OpenArchive): Promise<ReconcileProgress | undefined> {
      let last: ReconcileProgress | undefined;
      let floor: Promise<number> | undefined;
      for await (const progress of archive.reconcile(-60_000, () => (floor ??= archive.nextRevisionFloor())))
        last = progress;
      return last;
    }

    it('of a database that is lost gives back every row, which is current, what is ours, and tells each once', async () => {
      const [plain, corrected, undone, conflicting, moved, seg] = Array.from({ length: 6 }, newUid) as [
        string,
        string,
        string,
        string,
        string,
        string,
      ];
      const { archive } = here;
      await archive.store(ct(plain), client);
      await archive.store(ct(corrected), scanner);
      await archive.store(ct(corrected, 1, { PatientName: 'B' }), pacs);
      await archive.store(ct(corrected, 1, { PatientName: 'C' }), scanner);
      await archive.store(ct(undone), scanner);
      await archive.store(ct(undone, 1, { PatientID: 'B' }), pacs);
      await archive.store(ct(undone), pacs);
      await archive.store(ct(conflicting, 1), scanner);
      await archive.store(ct(conflicting, 2), pacs);
      await archive.store(ct(moved), scanner);
      await archive.store(ct(moved, 1, { StudyInstanceUID: newUid() }), pacs);
      await archive.issue([seg]);
      await archive.store(ct(seg), ours);
      // A PACS sends ours back with other attributes: still ours.
      await archive.store(ct(seg, 1, { PatientName: 'COERCED', Manufacturer: 'PACS' }), pacs);
      const before = await rowsOf(here);
      expect(before).toHaveLength(13);

      const empty = await server.createDatabase();
      await prepareArchive(empty);
      const restored = openOn(empty);
      expect(await reconcile(restored)).toEqual({ examined: 13, recovered: 13, unreadable: 0 });
      expect(await rowsOf(restored)).toEqual(before);
      const facts = await factsOf(restored);
      expect(facts).toHaveLength(13);
      expect(facts.filter((fact) => fact['sopInstanceUid'] === seg).map((fact) => fact['issuedByCallosum'])).toEqual([
        true,
        true,
      ]);
      expect(new Set(facts.map((fact) => fact['revisionFloor']))).toEqual(new Set([100_000]));
      // Rule 4 goes on: what is known as ours stays so for the next one who sends it.
      await restored.archive.store(ct(seg, 1, { PatientName: 'AGAIN' }), client);
      expect((await rowsOf(restored)).filter((row) => row['issued_by_callosum'] === true)).toHaveLength(3);

      expect(await reconcile(restored)).toMatchObject({ recovered: 0 });
      expect(await factsOf(restored)).toHaveLength(14);
    });

    it('takes a correction back that a dump knows nothing of, whatever was swept before', async () => {
      const [uid, resent] = [newUid(), newUid()];
      for (const one of [uid, resent]) await here.archive.store(ct(one), scanner);
      const dumped = await dump();
      for (const one of [uid, resent]) {
        await here.archive.store(ct(one, 1, { PatientID: 'B' }), pacs);
        await here.archive.store(ct(one), pacs);
      }
      const before = await rowsOf(here);
      await here.database.close();

      const restored = openOn(dumped);
      // What the ledger takes for the current one, come again, may be the undo of a correction it does not know.
      expect(await restored.archive.sweep(-60_000)).toBe(0);
      // Of a sender who goes on before anyone reconciles nothing is kept: to this ledger it says nothing new.
      expect((await restored.archive.store(ct(resent), scanner)).status).toBe('duplicate');
      expect(await reconcile(restored)).toMatchObject({ recovered: 4 });
      expect(await rowsOf(restored)).toEqual(before);
      expect(await reconcile(restored)).toMatchObject({ recovered: 0 });
    });

    it('does not bring back by a blob that was never acknowledged what was corrected or taken back since', async () => {
      const put = async (bytes: Uint8Array, revision: number): Promise<string> => {
        const key = newBlobKey('default', pacs, new Date());
        const file = async function* (content: Uint8Array) {
          await Promise.resolve();
          yield content;
        };
        await objects.put(key, file(bytes));
        if (revision > 1) await objects.put(revisionKey(key, revision), file(new Uint8Array(0)));
        return key;
      };
      const uid = newUid();
      const corrected = ct(uid, 1, { PatientID: 'B' });
      await here.archive.store(ct(uid), scanner);
      // The database went away between the mark and the row; the sender sent it again.
      const refused = [await put(corrected, 2)];
      await here.archive.store(corrected, pacs);
      // Refused before it had a mark.
      refused.push(await put(ct(uid), 1));
      await here.archive.store(ct(uid), pacs);
      const before = await rowsOf(here);
      expect(before.map((row) => row['current'])).toEqual([false, false, true]);
      expect(await reconcile(here)).toEqual({ examined: 5, recovered: 0, unreadable: 0 });
      expect(await rowsOf(here)).toEqual(before);
      expect(await here.archive.sweep(-60_000)).toBe(2);
      for (const key of refused) await expect(objects.head(key)).rejects.toThrow(ObjectNotFoundError);
    });

    it('orders objects of one UID by the revisions they were given, though their transfers overlapped', async () => {
      const uid = newUid();
      const first = here.archive.begin(scanner);
      await new Promise((resolve) => setTimeout(resolve, 5));
      await here.archive.store(ct(uid, 1, { PatientName: 'ENDS^FIRST' }), pacs);
      await first.write(ct(uid, 1, { PatientName: 'ENDS^LAST' }));
      expect((await first.commit()).status).toBe('correction');
      const before = await rowsOf(here);
      const empty = await server.createDatabase();
      await prepareArchive(empty);
      const restored = openOn(empty);
      await reconcile(restored);
      expect(await rowsOf(restored)).toEqual(before);
    });

    it('drill: a dump restored later misses nothing that was acknowledged, has nothing twice, and sweeps nothing', async () => {
      const [old, fresh, resent, corrected, conflicting, seg] = Array.from({ length: 6 }, newUid) as [
        string,
        string,
        string,
        string,
        string,
        string,
      ];
      await here.archive.store(ct(old), scanner);
      const dumped = await dump();
      const { archive } = here;
      await archive.store(ct(old, 1, { PatientName: 'LATER' }), scanner);
      await archive.store(ct(fresh), client);
      await archive.store(ct(resent), scanner);
      await archive.store(ct(corrected), scanner);
      await archive.store(ct(conflicting, 1), scanner);
      await archive.issue([seg]);
      await archive.store(ct(seg), ours);
      await here.database.close();

      const restored = openOn(dumped);
      // Senders go on before anyone reconciles.
      await restored.archive.store(ct(resent), scanner);
      await restored.archive.store(ct(corrected, 1, { PatientName: 'NEWEST' }), scanner);
      await restored.archive.store(ct(conflicting, 2), scanner);
      await restored.archive.store(ct(seg, 1, { PatientName: 'COERCED' }), pacs);
      const blobs = async (): Promise<number> => {
        let count = 0;
        for await (const _ of objects.list('default/blobs/')) count++;
        return count;
      };
      const kept = await blobs();
      // One is the same dataset as one that has a row; of the others none may go.
      expect(await restored.archive.sweep(-60_000)).toBe(1);
      expect(await blobs()).toBe(kept - 1);

      expect(await reconcile(restored)).toMatchObject({ recovered: 5, unreadable: 0 });
      const rows = await rowsOf(restored);
      const of = (uid: string) => rows.filter((row) => row['sop_instance_uid'] === uid);
      expect(rows).toHaveLength(10);
      expect(new Set(rows.map((row) => row['blob_key'])).size).toBe(10);
      expect(of(old).map((row) => [row['decision'], row['current']])).toEqual([
        ['stored', false],
        ['correction', true],
      ]);
      expect(of(fresh)).toMatchObject([{ source: 'app/Zürich', origin: 'stow', current: true }]);
      expect(of(resent)).toHaveLength(1);
      // What was lost is older than what came since: the newest correction stays, the first pixels stay.
      expect(of(corrected).map((row) => row['current'])).toEqual([true, false]);
      expect(of(conflicting).map((row) => row['current'])).toEqual([false, true]);
      expect(of(seg).map((row) => row['issued_by_callosum'])).toEqual([true, true]);

      const facts = await factsOf(restored);
      const told = facts.filter((fact) => fact['sopInstanceUid'] === seg);
      // Taken for a source instance when it came; told of again as ours.
      expect(told.map((fact) => [fact['instanceRevision'], fact['issuedByCallosum'] ?? false])).toEqual([
        [1, false],
        [1, true],
        [2, true],
      ]);
      const keys = facts.map((fact) => (fact['blob'] as { key: string }).key);
      expect(keys).toHaveLength(11);
      expect(new Set(keys).size).toBe(10);
      expect(await reconcile(restored)).toMatchObject({ recovered: 0 });
      expect(await factsOf(restored)).toHaveLength(11);
    });

    it('passes over what no sender was told is stored, and objects that are being stored at the same time', async () => {
      const put = (key: string, bytes: Uint8Array) =>
        objects.put(
          key,
          (async function* () {
            await Promise.resolve();
            yield bytes;
          })(),
        );
      await put(newBlobKey('default', scanner, new Date()), ct(newUid()).subarray(0, 300));
      await put('default/blobs/2026-01-01/aa/of-another-form', ct(newUid()));
      const uids = Array.from({ length: 40 }, newUid);
      const beside = openOn(config);
      const running = (async () => {
        for (let round = 0; round < 4; round++) await reconcile(beside);
      })();
      const outcomes = await Promise.all(uids.map((uid) => here.archive.store(ct(uid), scanner)));
      await running;
      expect(await reconcile(beside)).toMatchObject({ unreadable: 2, recovered: 0 });
      expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['stored']));
      const rows = await rowsOf(here);
      expect(rows).toHaveLength(40);
      for (const row of rows) await objects.head(String(row['blob_key']));
      expect(await factsOf(here)).toHaveLength(40);
    });

    it('gives each recovery a higher floor for revisions than the one before, also two at once', async () => {
      const floors = [];
      for (let round = 0; round < 3; round++) floors.push(await here.archive.nextRevisionFloor());
      expect(floors).toEqual([100_000, 200_000, 300_000]);
      const both = await Promise.all([here.archive.nextRevisionFloor(), openOn(config).archive.nextRevisionFloor()]);
      expect(both.sort((a, b) => a - b)).toEqual([400_000, 500_000]);
    });
  });
}
