import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';

import type { Attributes } from '@callosum/dicom';
import type { DatabaseConfig } from '@callosum/database';
import { newId, uuidToUid } from '@callosum/kernel';
import { FileObjectStore, type ObjectStore, S3ObjectStore } from '@callosum/object-store';
import { tinyCt } from '@callosum/phantom';
import { createLogger } from '@callosum/telemetry';
import { orSkip, startPostgres, startS3, type TestPostgres, type TestS3 } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { newBlobKey } from './blob-key.js';
import { type Archive, ByteBudget, type Intake } from './index.js';
import { type OpenArchive, openArchive, prepareArchive } from './test-support/open-archive.js';
import { ownStudy } from './tombstone-lock.js';

const run = promisify(execFile);
const [postgres, s3] = await Promise.all([orSkip(startPostgres), orSkip(startS3)]);
const dcmtk = await run('dcmcrle', ['--version']).then(
  () => undefined,
  () => 'DCMTK is not installed',
);
const folder = await mkdtemp(join(tmpdir(), 'callosum-archive-'));
afterAll(async () => {
  await postgres.server?.stop();
  await s3.server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const intake: Intake = { origin: 'dimse', source: 'CT1', associationId: 'a-1', correlationId: 'c-1' };
const newUid = (): string => uuidToUid(newId());
const ct = (sopInstanceUid: string, storedValue = 1024, more: Attributes = {}): Uint8Array =>
  tinyCt({ SOPInstanceUID: sopInstanceUid, ...more }, storedValue).bytes;

const stores: { name: string; missing: string | undefined; open: () => ObjectStore }[] = [
  {
    name: 'files',
    missing: undefined,
    open: () => new FileObjectStore({ root: join(folder, 'objects'), diskFreeBytesMin: 0 }),
  },
  { name: 'S3', missing: s3.missing, open: () => new S3ObjectStore(s3.server as TestS3) },
];

for (const { name, missing, open } of stores) {
  const reason = postgres.missing ?? missing;
  describe.skipIf(reason)(`Archive on ${name}${reason ? ` (${reason})` : ''}`, () => {
    let objects: ObjectStore;
    let config: DatabaseConfig;
    let here: OpenArchive;
    let there: OpenArchive;
    let archive: Archive;

    beforeAll(async () => {
      objects = open();
      config = await (postgres.server as TestPostgres).createDatabase();
      await prepareArchive(config);
      here = openArchive(config, objects);
      there = openArchive(config, objects);
      archive = here.archive;
    });
    afterAll(async () => {
      await here.database.close();
      await there.database.close();
    });

    interface Row {
      readonly revision: number;
      readonly current: boolean;
      readonly decision: string;
      readonly blob_key: string;
      readonly issued_by_callosum: boolean;
      readonly xmin: string;
    }
    const rowsOf = async (uid: string): Promise<Row[]> =>
      (
        await sql<Row>`select *, xmin::text from intake where sop_instance_uid = ${uid} order by revision`.execute(
          here.database.db,
        )
      ).rows;
    const eventsOf = async (uid: string): Promise<Record<string, unknown>[]> => {
      const { rows } = await sql<{ key: string; value: string; correlation_id: string; xmin: string }>`
        select key, value, correlation_id, xmin::text from outbox order by id`.execute(here.database.db);
      return rows
        .map(({ value, ...rest }) => ({ ...rest, ...(JSON.parse(value) as Record<string, unknown>) }))
        .filter((event) => (event as { sopInstanceUid?: string }).sopInstanceUid === uid);
    };
    const blobs = async (): Promise<string[]> => {
      const keys: string[] = [];
      for await (const { key } of objects.list('default/')) keys.push(key);
      return keys.sort();
    };

    it('keeps the bytes as they came, with row and fact in one transaction', async () => {
      const uid = newUid();
      const bytes = ct(uid);
      const { studyInstanceUid, seriesInstanceUid } = tinyCt({ SOPInstanceUID: uid });
      const outcome = await archive.store(bytes, intake);
      expect(outcome).toMatchObject({ status: 'stored', sopInstanceUid: uid, studyInstanceUid, seriesInstanceUid });
      const [row] = await rowsOf(uid);
      expect(row).toMatchObject({ revision: 1, current: true, origin: 'dimse', source: 'CT1', association_id: 'a-1' });
      const events = await eventsOf(uid);
      expect(events).toMatchObject([
        {
          key: studyInstanceUid,
          correlation_id: 'c-1',
          studyInstanceUid,
          seriesInstanceUid,
          instanceRevision: 1,
          current: true,
          origin: 'INSTANCE_ORIGIN_DIMSE',
          source: 'CT1',
          associationId: 'a-1',
          blob: { key: row?.blob_key, byteCount: String(bytes.length) },
        },
      ]);
      expect(events[0]?.['xmin']).toBe(row?.xmin);
      expect(await buffer(await archive.open(row?.blob_key ?? ''))).toEqual(Buffer.from(bytes));
    });

    it('keeps nobody waiting whose study nobody owns', async () => {
      const [owned, other] = [newUid(), newUid()];
      const store = (study: string) => archive.store(ct(newUid(), 1024, { StudyInstanceUID: study }), intake);
      let isWaiting = true;
      const stored = await there.database.db.transaction().execute(async (trx) => {
        await ownStudy(trx as never, owned);
        const waiting = [store(owned), store(owned)];
        for (const one of waiting) void one.finally(() => (isWaiting = false));
        // Those that come with it, and those after.
        await Promise.all([store(other), store(other)]);
        expect((await store(other)).status).toBe('stored');
        expect(isWaiting).toBe(true);
        return { waiting };
      });
      expect((await Promise.all(stored.waiting)).map(({ status }) => status)).toEqual(['stored', 'stored']);
    });

    it('answers a second sending of the same dataset with success: no row, no fact, no blob', async () => {
      const uid = newUid();
      await archive.store(ct(uid), intake);
      const before = await blobs();
      expect((await archive.store(ct(uid), { ...intake, source: 'PACS' })).status).toBe('duplicate');
      expect(await rowsOf(uid)).toHaveLength(1);
      expect(await eventsOf(uid)).toHaveLength(1);
      expect(await blobs()).toEqual(before);
    });

    it('keeps a correction (same pixels, other attributes) as the current one, and tells of it', async () => {
      const uid = newUid();
      await archive.store(ct(uid), intake);
      expect((await archive.store(ct(uid, 1024, { PatientName: 'CORRECTED^NAME' }), intake)).status).toBe('correction');
      expect(await rowsOf(uid)).toMatchObject([
        { revision: 1, current: false, decision: 'stored' },
        { revision: 2, current: true, decision: 'correction' },
      ]);
      expect(await eventsOf(uid)).toMatchObject([{ current: true }, { current: true, instanceRevision: 2 }]);
      const located = await archive.locate({ studyInstanceUid: tinyCt().studyInstanceUid, sopInstanceUid: uid });
      expect(located).toMatchObject([{ revision: 2 }]);
      expect((await archive.store(ct(uid, 1024, { PatientName: 'CORRECTED^NAME' }), intake)).status).toBe('duplicate');
      expect(await rowsOf(uid)).toHaveLength(2);
    });

    it('makes an older dataset that is sent again current again, as a revision of its own, once for each sending', async () => {
      const uid = newUid();
      const [original, corrected] = [ct(uid, 1024, { PatientID: 'REV-1' }), ct(uid, 1024, { PatientID: 'REV-2' })];
      await archive.store(original, intake);
      await archive.store(corrected, intake);
      expect((await archive.store(original, { ...intake, source: 'PACS' })).status).toBe('correction');
      const rows = await rowsOf(uid);
      expect(rows).toMatchObject([
        { revision: 1, current: false, decision: 'stored' },
        { revision: 2, current: false, decision: 'correction' },
        { revision: 3, current: true, decision: 'correction', source: 'PACS' },
      ]);
      const events = await eventsOf(uid);
      expect(events).toHaveLength(3);
      expect(events[2]).toMatchObject({ instanceRevision: 3, current: true, source: 'PACS' });
      expect(new Set(rows.map((row) => row.blob_key)).size).toBe(3);
      expect(await buffer(await archive.open(rows[2]?.blob_key ?? ''))).toEqual(Buffer.from(original));
      const statuses: string[] = [];
      for (const bytes of [original, corrected, corrected, original])
        statuses.push((await archive.store(bytes, intake)).status);
      expect(statuses).toEqual(['duplicate', 'correction', 'duplicate', 'correction']);
      expect((await rowsOf(uid)).map(({ current }) => current)).toEqual([false, false, false, false, true]);
      expect(await eventsOf(uid)).toHaveLength(5);
    });

    it.skipIf(dcmtk)('makes it current again also when it comes in another lossless transfer syntax', async () => {
      const uid = newUid();
      const [plain, packed] = [join(folder, `${uid}.dcm`), join(folder, `${uid}-rle.dcm`)];
      await writeFile(plain, ct(uid));
      await run('dcmcrle', [plain, packed]);
      await archive.store(ct(uid), intake);
      await archive.store(ct(uid, 1024, { PatientID: 'CORRECTED' }), intake);
      expect((await archive.store(await readFile(packed), intake)).status).toBe('correction');
      expect((await archive.store(ct(uid), intake)).status).toBe('duplicate');
      const selection = { studyInstanceUid: tinyCt().studyInstanceUid, sopInstanceUid: uid };
      expect(await archive.locate(selection)).toMatchObject([
        { revision: 3, transfer_syntax_uid: '1.2.840.10008.1.2.5' },
      ]);
    });

    it('takes a correction back once, though several senders do so at two replicas', async () => {
      for (let round = 0; round < 10; round++) {
        const uid = newUid();
        await archive.store(ct(uid), intake);
        await archive.store(ct(uid, 1024, { PatientID: 'CORRECTED' }), intake);
        const outcomes = await Promise.all(
          [archive, there.archive, archive, there.archive].map((one) => one.store(ct(uid), intake)),
        );
        const statuses = outcomes.map(({ status }) => status).sort();
        expect(statuses).toEqual(['correction', 'duplicate', 'duplicate', 'duplicate']);
        expect((await rowsOf(uid)).map(({ current }) => current)).toEqual([false, false, true]);
        expect(await eventsOf(uid)).toHaveLength(3);
      }
    });

    it('puts an undo and the correction sent again at the same moment in one order, and says so to both', async () => {
      for (let round = 0; round < 10; round++) {
        const uid = newUid();
        const corrected = ct(uid, 1024, { PatientID: 'CORRECTED' });
        await archive.store(ct(uid), intake);
        await archive.store(corrected, intake);
        const [undo, again] = await Promise.all([
          archive.store(ct(uid), intake),
          there.archive.store(corrected, intake),
        ]);
        expect(undo.status).toBe('correction');
        // First, it said what is current anyway; second, it is a correction anew.
        const order = again.status === 'duplicate' ? [false, false, true] : [false, false, false, true];
        expect((await rowsOf(uid)).map(({ current }) => current)).toEqual(order);
        expect(await eventsOf(uid)).toHaveLength(order.length);
      }
    });

    it('refuses other pixels, or another study, where the site says so, and keeps nothing of them', async () => {
      const strict = openArchive(config, objects, undefined, { conflicts: 'refuse' });
      try {
        const uid = newUid();
        await strict.archive.store(ct(uid, 1), intake);
        const keys = async (): Promise<number> => {
          let count = 0;
          for await (const _ of objects.list('')) count++;
          return count;
        };
        const before = await keys();
        await expect(strict.archive.store(ct(uid, 2), intake)).rejects.toMatchObject({
          code: 'archive.refused-conflicting-pixels',
          kind: 'conflict',
        });
        await expect(strict.archive.store(ct(uid, 1, { StudyInstanceUID: '1.2.9' }), intake)).rejects.toMatchObject({
          code: 'archive.refused-conflicting-study',
        });
        expect(await keys()).toBe(before);
        expect(await rowsOf(uid)).toMatchObject([{ current: true }]);
        expect((await strict.archive.store(ct(uid, 1, { PatientID: 'CORRECTED' }), intake)).status).toBe('correction');
      } finally {
        await strict.database.close();
      }
    });

    it('keeps other pixels beside the first, which stays current', async () => {
      const uid = newUid();
      await archive.store(ct(uid, 1), intake);
      expect((await archive.store(ct(uid, 2), intake)).status).toBe('conflicting-pixels');
      expect(await rowsOf(uid)).toMatchObject([{ current: true }, { current: false, decision: 'conflicting-pixels' }]);
      // ProtoJSON leaves false out.
      expect((await eventsOf(uid)).map((event) => [event['instanceRevision'], event['current'] ?? false])).toEqual([
        [1, true],
        [2, false],
      ]);
      const again = { status: 'duplicate', duplicateOf: 'conflicting-pixels' };
      expect(await archive.store(ct(uid, 2), intake)).toMatchObject(again);
      expect(await archive.store(ct(uid, 1), intake)).not.toHaveProperty('duplicateOf');
      // Also once the first was corrected: other pixels never become current by being sent again, the first's do.
      await archive.store(ct(uid, 1, { PatientID: 'CORRECTED' }), intake);
      expect((await archive.store(ct(uid, 2), intake)).status).toBe('duplicate');
      expect((await rowsOf(uid)).map(({ current }) => current)).toEqual([false, false, true]);
      expect((await archive.store(ct(uid, 1), intake)).status).toBe('correction');
      expect((await rowsOf(uid)).map(({ current }) => current)).toEqual([false, false, false, true]);
      expect(await eventsOf(uid)).toHaveLength(4);
    });

    it.each(['StudyInstanceUID', 'SeriesInstanceUID'])(
      'keeps an object with another %s beside the first, which stays where it is, and a person is told',
      async (keyword) => {
        const [uid, other] = [newUid(), newUid()];
        const errors: unknown[][] = [];
        const watched = openArchive(config, objects, undefined, {
          logger: {
            ...createLogger('archive-test', 'silent'),
            error: (...args: unknown[]) => errors.push(args),
          } as never,
        });
        await archive.store(ct(uid), intake);
        const outcome = await watched.archive.store(ct(uid, 1024, { [keyword]: other, PatientID: 'OTHER' }), intake);
        expect(outcome.status).toBe('conflicting-study');
        expect(errors).toMatchObject([[{ sopInstanceUid: uid }, 'archive.conflicting-study']]);
        expect(await rowsOf(uid)).toMatchObject([{ current: true }, { current: false, decision: 'conflicting-study' }]);
        expect((await eventsOf(uid)).map((event) => event['current'] ?? false)).toEqual([true, false]);
        const { studyInstanceUid, seriesInstanceUid } = tinyCt();
        expect(await archive.locate({ studyInstanceUid, seriesInstanceUid, sopInstanceUid: uid })).toHaveLength(1);
        // Inside its own study another Patient ID is a correction, also afterwards.
        const corrected = await archive.store(ct(uid, 1024, { PatientID: 'OTHER' }), intake);
        expect(corrected.status).toBe('correction');
        expect((await rowsOf(uid)).map((row) => row.current)).toEqual([false, false, true]);
        const again = await archive.store(ct(uid, 1024, { [keyword]: other, PatientID: 'OTHER' }), intake);
        expect(again.status).toBe('duplicate');
        expect(await eventsOf(uid)).toHaveLength(3);
        await watched.database.close();
      },
    );

    it.skipIf(dcmtk)('knows the same dataset in another lossless transfer syntax', async () => {
      const uid = newUid();
      const [plain, out] = [join(folder, `${uid}.dcm`), join(folder, `${uid}-out.dcm`)];
      await writeFile(plain, ct(uid));
      await archive.store(await readFile(plain), intake);
      for (const command of [
        ['dcmcrle', '-uc'],
        ['dcmcjpls', '-uc'],
        ['dcmconv', '+ti'],
        ['dcmconv', '+tb'],
      ]) {
        const [tool = '', ...options] = command[0] === 'dcmconv' ? command : [command[0] ?? ''];
        await run(tool, [...options, plain, out]);
        const outcome = await archive.store(await readFile(out), intake);
        expect([tool, options, outcome.status]).toEqual([tool, options, 'duplicate']);
        expect(outcome.transferSyntaxUid).not.toBe('1.2.840.10008.1.2.1');
      }
      expect(await eventsOf(uid)).toHaveLength(1);
    });

    it('decides once between two senders of one object, also at two replicas', async () => {
      for (let round = 0; round < 10; round++) {
        const uid = newUid();
        const outcomes = await Promise.all(
          [archive, there.archive, archive, there.archive].map((one) => one.store(ct(uid), intake)),
        );
        expect(outcomes.map(({ status }) => status).sort()).toEqual(['duplicate', 'duplicate', 'duplicate', 'stored']);
        expect(await eventsOf(uid)).toHaveLength(1);
      }
    });

    it('keeps every one of several different objects of a UID, with one current, at two replicas', async () => {
      for (let round = 0; round < 10; round++) {
        const uid = newUid();
        await archive.store(ct(uid), intake);
        const sent = ['A', 'B', 'C', 'D'].map((patientName, at) =>
          (at % 2 ? archive : there.archive).store(ct(uid, 1024, { PatientName: patientName }), intake),
        );
        const outcomes = await Promise.all(sent);
        expect(outcomes.map(({ status }) => status)).toEqual(Array(4).fill('correction'));
        const rows = await rowsOf(uid);
        expect(rows.map(({ revision }) => revision)).toEqual([1, 2, 3, 4, 5]);
        expect(rows.map(({ current }) => current)).toEqual([false, false, false, false, true]);
        expect(await eventsOf(uid)).toHaveLength(5);
      }
    });

    it('gives two objects of a UID that arrive at once and differ in their pixels to one first and one conflict', async () => {
      const uid = newUid();
      const outcomes = await Promise.all([archive.store(ct(uid, 1), intake), there.archive.store(ct(uid, 2), intake)]);
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['conflicting-pixels', 'stored']);
      expect((await rowsOf(uid)).map(({ current }) => current)).toEqual([true, false]);
    });

    it('acknowledges a duplicate whose copy cannot be taken away: the sweeper does that', async () => {
      const uid = newUid();
      await archive.store(ct(uid), intake);
      const kept: string[] = [];
      const stubborn: ObjectStore = {
        put: (key, source, tailFrom) => {
          kept.push(key);
          return objects.put(key, source, tailFrom);
        },
        head: (key) => objects.head(key),
        delete: () => Promise.reject(new Error('the store is away')),
        list: (prefix, after) => objects.list(prefix, after),
        sweepUnfinished: (prefix, before) => objects.sweepUnfinished(prefix, before),
        ping: () => objects.ping(),
        get: (key, range) => objects.get(key, range),
      };
      const one = openArchive(config, stubborn);
      expect((await one.archive.store(ct(uid), intake)).status).toBe('duplicate');
      await one.database.close();
      expect(await blobs()).toEqual(expect.arrayContaining(kept));
      for (const key of kept) await objects.delete(key);
    });

    it('compares within its budget of memory, however many objects of known UIDs arrive at once', async () => {
      const uids = Array.from({ length: 6 }, newUid);
      for (const uid of uids) await archive.store(ct(uid), intake);
      const mostHeldWith = async (budgetBytes: number, patientName: string): Promise<number> => {
        let held = 0;
        let most = 0;
        const slow: ObjectStore = {
          put: (key, source, tailFrom) => objects.put(key, source, tailFrom),
          head: (key) => objects.head(key),
          delete: (key) => objects.delete(key),
          list: (prefix, after) => objects.list(prefix, after),
          sweepUnfinished: (prefix, before) => objects.sweepUnfinished(prefix, before),
          ping: () => objects.ping(),
          get: async (key, range) => {
            const bytes = await buffer(await objects.get(key, range));
            most = Math.max(most, (held += bytes.length));
            // Long enough for the others to come, were they let.
            await new Promise((resolve) => setTimeout(resolve, 30));
            held -= bytes.length;
            return Readable.from([bytes]);
          },
        };
        const one = openArchive(config, slow, undefined, { compareBudget: new ByteBudget(budgetBytes) });
        const sent = uids.map((uid) => one.archive.store(ct(uid, 1024, { PatientName: patientName }), intake));
        expect(new Set((await Promise.all(sent)).map(({ status }) => status))).toEqual(new Set(['correction']));
        await one.database.close();
        return most;
      };
      const one = ct(newUid(), 1024, { PatientName: 'TWO' }).length;
      expect(await mostHeldWith(1_000_000_000, 'ONE')).toBeGreaterThan(3 * one);
      expect(await mostHeldWith(2.5 * one, 'TWO')).toBeLessThanOrEqual(2.5 * one);
    });

    it('marks what Callosum issued, also when others send it', async () => {
      const [ours, theirs] = [newUid(), newUid()];
      await archive.issue([ours]);
      await archive.issue([ours]);
      for (const uid of [ours, theirs]) await there.archive.store(ct(uid), { origin: 'stow', source: 'PACS' });
      expect(await eventsOf(ours)).toMatchObject([{ issuedByCallosum: true, origin: 'INSTANCE_ORIGIN_STOW' }]);
      expect((await eventsOf(theirs))[0]?.['issuedByCallosum'] ?? false).toBe(false);
      await archive.store(ct(ours, 1024, { PatientName: 'COERCED' }), { origin: 'dimse', source: 'PACS' });
      expect((await rowsOf(ours)).map((row) => row.issued_by_callosum)).toEqual([true, true]);
      // Our own retry and the coerced copy do not take turns.
      for (const bytes of [ct(ours), ct(ours, 1024, { PatientName: 'COERCED' })])
        expect((await archive.store(bytes, { origin: 'dimse', source: 'PACS' })).status).toBe('duplicate');
      expect(await eventsOf(ours)).toHaveLength(2);
    });

    it('names the current source instances of a study, without conflicts and what Callosum made', async () => {
      const study = { StudyInstanceUID: newUid(), SeriesInstanceUID: newUid() };
      const [plain, corrected, disputed, ours] = [newUid(), newUid(), newUid(), newUid()];
      await archive.issue([ours]);
      for (const uid of [plain, corrected, disputed, ours]) await archive.store(ct(uid, 1, study), intake);
      await archive.store(ct(corrected, 1, { ...study, PatientID: 'CORRECTED' }), intake);
      expect((await archive.store(ct(disputed, 7, study), intake)).status).toBe('conflicting-pixels');
      const kept = await archive.sourceInstancesOf(study.StudyInstanceUID);
      expect(Object.fromEntries(kept.map(({ sopInstanceUid, revision }) => [sopInstanceUid, revision]))).toEqual({
        [plain]: 1,
        [corrected]: 2,
        [disputed]: 1,
      });
    });

    it('lets instances that finish together share commits', async () => {
      const uids = Array.from({ length: 200 }, newUid);
      const outcomes = await Promise.all(uids.map((uid) => archive.store(ct(uid), intake)));
      expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['stored']));
      const { rows } = await sql<{ commits: number; count: number }>`
        select count(distinct xmin::text)::float8 as commits, count(*)::float8 as count
        from intake where sop_instance_uid = any(${uids})`.execute(here.database.db);
      expect(rows[0]?.count).toBe(200);
      expect(rows[0]?.commits).toBeLessThan(100);
    });

    it('sweeps what was never acknowledged or is kept already, once it is old enough, and nothing else', async () => {
      const [uid, unknown] = [newUid(), newUid()];
      await archive.store(ct(uid), intake);
      const put = async (bytes: Uint8Array): Promise<string> => {
        const key = newBlobKey('default', intake, new Date());
        await objects.put(
          key,
          (async function* () {
            await Promise.resolve();
            yield bytes;
          })(),
        );
        return key;
      };
      const torn = await put(ct(newUid()).subarray(0, 400));
      const garbage = await put(Buffer.from('left by a crash'));
      const again = await put(ct(uid));
      // Whole, and unknown to this database: perhaps its row was lost with the database.
      const whole = await put(ct(unknown));
      const before = await blobs();
      expect(archive.unknownBlobs, 'nobody has looked').toBeUndefined();
      expect(await archive.sweep(60_000)).toBe(0);
      expect(await blobs()).toEqual(before);
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      expect(await archive.sweep(1_000)).toBe(3);
      expect(await archive.sweep(1_000)).toBe(0);
      expect(archive.unknownBlobs).toBe(1);
      expect(await blobs()).toEqual(before.filter((key) => ![torn, garbage, again].includes(key)));
      // The sender, who was never answered, sends it again: now the first one is needless.
      await archive.store(ct(unknown), intake);
      await there.archive.sweep(1_000);
      expect(await blobs()).not.toContain(whole);
    });

    it('refuses to sweep when the ledger it asks knows none of the blobs', async () => {
      const empty = await (postgres.server as TestPostgres).createDatabase();
      await prepareArchive(empty);
      const wrong = openArchive(empty, objects);
      const before = await blobs();
      await expect(wrong.archive.sweep(-1_000)).rejects.toMatchObject({ code: 'archive.sweep-refused' });
      expect(await blobs()).toEqual(before);
      // All it refused over: what is told is not what the last good sweep found.
      expect(wrong.archive.unknownBlobs).toBeGreaterThan(0);
      await wrong.database.close();
    });

    it('does not take two objects for one because their file meta information lies about its length', async () => {
      for (const lie of [0x00ffffff, 4]) {
        const uid = newUid();
        const lying = (storedValue: number): Buffer => {
          const bytes = Buffer.from(ct(uid, storedValue));
          bytes.writeUInt32LE(lie, 140);
          return bytes;
        };
        const outcomes: string[] = [];
        for (const value of [1, 2]) {
          outcomes.push(
            await archive.store(lying(value), intake).then(
              (it) => it.status,
              () => 'refused',
            ),
          );
        }
        expect([
          ['stored', 'conflicting-pixels'],
          ['refused', 'refused'],
        ]).toContainEqual(outcomes);
      }
    });

    it('holds a large object in bounded memory, whole', async () => {
      const uid = newUid();
      const small = ct(uid);
      const pixelBytes = 300 * 1024 * 1024;
      const head = Buffer.from(small.subarray(0, small.length - 128));
      head.writeUInt32LE(pixelBytes, head.length - 4);
      const writer = archive.begin(intake);
      const chunk = Buffer.alloc(256 * 1024, 7);
      await writer.write(head);
      const before = process.memoryUsage().rss;
      let peak = 0;
      for (let sent = 0; sent < pixelBytes; sent += chunk.length) {
        await writer.write(chunk);
        peak = Math.max(peak, process.memoryUsage().rss - before);
      }
      expect((await writer.commit()).status).toBe('stored');
      expect((await objects.head((await rowsOf(uid))[0]?.blob_key ?? '')).byteCount).toBe(head.length + pixelBytes);
      expect(peak).toBeLessThan(128 * 1024 * 1024);
    });
  });
}
