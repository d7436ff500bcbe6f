import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { newId, uuidToUid } from '@callosum/kernel';
import { tinyCt } from '@callosum/phantom';
import { orSkip, startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { Archive, Hide, Intake } from './index.js';
import { HookedStore } from './test-support/hooked-store.js';
import { type OpenArchive, openArchive, prepareArchive } from './test-support/open-archive.js';
import { ownStudy } from './tombstone-lock.js';

const postgres = await orSkip(startPostgres);
const folder = await mkdtemp(join(tmpdir(), 'callosum-erasure-'));
afterAll(async () => {
  await postgres.server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const hourMs = 3_600_000;
const intake: Intake = { origin: 'dimse', source: 'CT1' };
const newUid = (): string => uuidToUid(newId());
const retention: Hide = { reason: 'retention', eraseAfterMs: hourMs, actor: 'retention' };

describe.skipIf(postgres.missing)(`erasure${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
  let here: OpenArchive;
  let archive: Archive;
  let study: string;
  let now = Date.parse('2126-11-22T00:00:00Z');
  const objects = new HookedStore({ root: folder, diskFreeBytesMin: 0 });
  const clock = { now: () => new Date(now) };

  beforeAll(async () => {
    const config = await (postgres.server as TestPostgres).createDatabase();
    await prepareArchive(config);
    here = openArchive(config, objects, 1_000_000, { clock });
    archive = here.archive;
  });
  afterAll(() => here?.database.close());
  beforeEach(() => {
    study = newUid();
    now += 24 * hourMs;
    objects.reset();
  });

  const store = (sop: string, more: Record<string, string> = {}, storedValue = 1024) =>
    archive.store(
      tinyCt({ SOPInstanceUID: sop, StudyInstanceUID: study, SeriesInstanceUID: `${study}.1`, ...more }, storedValue)
        .bytes,
      intake,
    );
  const stored = async (): Promise<string> => {
    const sop = newUid();
    await store(sop);
    return sop;
  };
  const ref = (sop: string) => ({ seriesInstanceUid: `${study}.1`, sopInstanceUid: sop });
  /** UIDs that readers find, with a blob that is there. */
  const readable = async (): Promise<string[]> => {
    const rows = await archive.locate({ studyInstanceUid: study });
    for (const row of rows) await objects.head(row.blob_key);
    return rows.map((row) => row.sop_instance_uid).sort();
  };
  const blobs = async (sop: string): Promise<string[]> => {
    const { rows } = await sql<{ key: string }>`select blob_key as key from intake
      where sop_instance_uid = ${sop} order by id`.execute(here.database.db);
    const there = await Promise.all(
      rows.map(({ key }) =>
        objects
          .head(key)
          .then(() => [key])
          .catch(() => []),
      ),
    );
    return there.flat();
  };

  it.each([
    ['the same object', {}],
    ['a correction', { PatientComments: 'corrected' }],
  ])('that runs beside the sender of %s leaves what the sender hears is stored', async (_what, changed) => {
    const one = await stored();
    await archive.tombstones.hide({ studyInstanceUid: study }, retention);
    now += hourMs;
    objects.beforeMark = () => archive.erase();
    await store(one, changed);
    expect(await readable()).toEqual([one]);
    now += hourMs;
    await archive.erase();
    expect(await readable()).toEqual([one]);
  });

  it('spares what was restored by a decision that a restored database does not know', async () => {
    const one = await stored();
    await archive.tombstones.hide({ studyInstanceUid: study }, retention);
    const { sequence } = await archive.tombstones.status(study);
    now += 60_000;
    await archive.tombstones.restore({ studyInstanceUid: study }, { actor: 'subject-1' });
    const { db } = here.database;
    await sql`delete from tombstone where study_instance_uid = ${study} and effect = 'restored'`.execute(db);
    await sql`update withheld_instance set withheld = true, sequence = ${sequence}, erase_at = ${new Date(now)}
      where study_instance_uid = ${study}`.execute(db);
    await sql`update intake set withheld = true where study_instance_uid = ${study}`.execute(db);
    now += 2 * hourMs;
    // Somebody decides on another study before anything is erased.
    const other = study;
    study = newUid();
    await stored();
    await archive.tombstones.hide({ studyInstanceUid: study }, { ...retention, eraseAfterMs: null });
    study = other;
    expect(await archive.erase()).toBe(0);
    expect(await readable()).toEqual([one]);
  });

  it('that could not delete a blob leaves it where a legal hold was placed since, until that is lifted', async () => {
    const one = await stored();
    await archive.tombstones.hide({ studyInstanceUid: study }, retention);
    now += hourMs;
    const [stuck] = await blobs(one);
    objects.failsToDelete = () => true;
    expect(await archive.erase()).toBe(0);
    expect(await archive.tombstones.status(study)).toMatchObject({ hidden: 0, erased: 1 });
    await archive.tombstones.hold(study, { actor: 'legal' });
    objects.failsToDelete = () => false;
    await archive.erase();
    expect(await blobs(one)).toEqual([stuck]);
    await archive.tombstones.release(study, { actor: 'legal' });
    await archive.erase();
    expect(await blobs(one)).toEqual([]);
    // Nothing is left to hold.
    await expect(archive.tombstones.hold(study, { actor: 'legal' })).rejects.toMatchObject({
      code: 'archive.nothing-kept',
    });
  });

  it('that cannot delete a blob erases the others, shows it to nobody again, and deletes it the next time', async () => {
    const [one, two] = [await stored(), await stored()];
    await archive.tombstones.hide({ studyInstanceUid: study }, retention);
    now += hourMs;
    const [stuck] = await blobs(one);
    objects.failsToDelete = (key) => key === stuck;
    expect(await archive.erase()).toBe(1);
    expect([await blobs(one), await blobs(two)]).toEqual([[stuck], []]);
    expect(await archive.tombstones.status(study)).toMatchObject({ hidden: 0, erased: 2 });
    await archive.tombstones.restore({ studyInstanceUid: study }, { actor: 'subject-1' });
    expect(await readable()).toEqual([]);
    objects.failsToDelete = () => false;
    await archive.erase();
    expect(await blobs(one)).toEqual([]);
  });

  it('of one study that fails does not keep the others', async () => {
    const one = await stored();
    await archive.tombstones.hide({ studyInstanceUid: study }, retention);
    await sql`update intake set blob_key = 'default/../outside' where sop_instance_uid = ${one}`.execute(
      here.database.db,
    );
    study = newUid();
    const two = await stored();
    await archive.tombstones.hide({ studyInstanceUid: study }, retention);
    now += hourMs;
    expect(await archive.erase()).toBe(1);
    expect(await blobs(two)).toEqual([]);
    await sql`delete from withheld_instance where sop_instance_uid = ${one}`.execute(here.database.db);
  });

  it('takes what comes after it too, where that stays hidden', async () => {
    const one = await stored();
    await archive.tombstones.hide({ studyInstanceUid: study }, { ...retention, reason: 'person' });
    now += hourMs;
    expect(await archive.erase()).toBe(1);
    expect((await store(one, { PatientComments: 'corrected' })).status).not.toBe('duplicate');
    expect(await blobs(one)).toHaveLength(1);
    expect(await archive.erase()).toBe(1);
    expect(await blobs(one)).toEqual([]);
  });

  it('does not reach what a note named before it ever came, whose retention is over and which comes now', async () => {
    const one = newUid();
    const code = { value: '113039', scheme: 'DCM' };
    const hide: Hide = { reason: 'rejection-note', code, cause: newUid(), eraseAfterMs: 0, actor: 'note' };
    await archive.tombstones.hideInstances(study, [ref(one)], hide);
    await archive.erase();
    expect((await store(one)).status).toBe('stored');
    await archive.erase();
    expect(await readable()).toEqual([one]);
    expect((await store(one)).status).toBe('duplicate');
  });

  it('is decided again by a recovery as it was: what it finds did not come again', async () => {
    const one = await stored();
    await store(one, { PatientComments: 'corrected' });
    await archive.tombstones.hide({ studyInstanceUid: study }, retention);
    const lost = await (postgres.server as TestPostgres).createDatabase();
    await prepareArchive(lost);
    const again = openArchive(lost, objects, 1_000_000, { clock });
    try {
      for await (const progress of again.archive.reconcile(0, () => Promise.resolve(100_000))) void progress;
      expect(await again.archive.locate({ studyInstanceUid: study })).toEqual([]);
      expect(await again.archive.tombstones.status(study)).toMatchObject({ hidden: 1 });
    } finally {
      await again.database.close();
    }
  });

  const letGo = (quietSince: number, eraseAfterMs = hourMs) =>
    archive.tombstones.letGo(study, { quietSince: new Date(quietSince), eraseAfterMs });

  it('does not take a correction that comes while retention lets its study go', async () => {
    const one = await stored();
    const quietSince = now;
    now += hourMs;
    objects.beforeRevision = () => letGo(quietSince);
    expect((await store(one, { PatientComments: 'corrected' })).status).not.toBe('duplicate');
    now += hourMs;
    await archive.erase();
    expect(await readable()).toEqual([one]);
  });

  it('does not make "kept already" untrue of what is let go and erased while a sender hears it', async () => {
    const one = await stored();
    objects.afterHead = async () => {
      await letGo(now, 0);
      await archive.erase();
    };
    await store(one);
    expect(objects.afterHead).toBeUndefined();
    expect(await readable()).toEqual([one]);
  });

  it('before a backup was restored that does not know of it costs no sender what it sends again', async () => {
    const one = await stored();
    for (const key of await blobs(one)) await objects.delete(key);
    expect((await store(one)).status).toBe('stored');
    expect(await readable()).toEqual([one]);
    // And one that differs, so that it is compared.
    for (const key of await blobs(one)) await objects.delete(key);
    expect((await store(one, { PatientComments: 'corrected' })).status).toBe('stored');
    expect(await readable()).toEqual([one]);
  });

  it('does not take what came, with other pixels, after the first was let go', async () => {
    const one = await stored();
    await archive.tombstones.hide({ studyInstanceUid: study }, retention);
    now += 60_000;
    expect((await store(one, {}, 2_000)).status).toBe('conflicting-pixels');
    now += hourMs;
    await archive.erase();
    expect(await blobs(one)).toHaveLength(2);
    expect(await readable()).toEqual([one]);
  });

  it('does not take what came to a restored database before it learnt what had been let go', async () => {
    const one = await stored();
    await archive.tombstones.hide({ studyInstanceUid: study }, retention);
    const { db } = here.database;
    await sql`delete from tombstone where study_instance_uid = ${study}`.execute(db);
    await sql`delete from withheld_instance where study_instance_uid = ${study}`.execute(db);
    await sql`update intake set withheld = false where study_instance_uid = ${study}`.execute(db);
    now += hourMs;
    expect((await store(one, { PatientComments: 'corrected' })).status).toBe('correction');
    const [, corrected] = await blobs(one);
    await archive.tombstones.replay();
    now += hourMs;
    await archive.erase();
    expect(await blobs(one)).toEqual([corrected]);
    await archive.tombstones.restore({ studyInstanceUid: study }, { actor: 'subject-1' });
    expect(await readable()).toEqual([one]);
  });

  it('waits for a decision so young that a database which failed over may have lost it', async () => {
    const one = await stored();
    await archive.tombstones.hide({ studyInstanceUid: study }, retention);
    now += 2 * hourMs;
    await archive.tombstones.hold(study, { actor: 'legal' });
    const { db } = here.database;
    await sql`delete from tombstone where study_instance_uid = ${study} and effect = 'held'`.execute(db);
    await sql`delete from legal_hold where study_instance_uid = ${study}`.execute(db);
    now += 5_000;
    expect(await archive.erase()).toBe(0);
    now += hourMs;
    expect(await archive.erase()).toBe(0);
    expect(await archive.tombstones.status(study)).toMatchObject({ legalHold: { actor: 'legal' } });
    expect(await blobs(one)).toHaveLength(1);
  });

  it('looks at the decisions of the last hour alone, however many there were before', async () => {
    await stored();
    for (let count = 0; count < 20; count++) {
      await archive.tombstones.hold(study, { actor: 'legal' });
      await archive.tombstones.release(study, { actor: 'legal' });
    }
    const listed = async (): Promise<number> => {
      objects.listed = 0;
      await archive.tombstones.replayNewer();
      return objects.listed;
    };
    now += 2 * hourMs;
    expect(await listed()).toBeGreaterThanOrEqual(40);
    now += hourMs;
    await archive.tombstones.hold(study, { actor: 'legal' });
    now += 5_000;
    // By the replay, which is an hour behind, and by what is too young to be erased beside.
    expect(await listed()).toBe(2);
  });

  it('does not reach what waits for its row while a note that lets it come again is obeyed', async () => {
    const one = newUid();
    const { db } = here.database;
    const waiting = (count: number) =>
      expect
        .poll(async () => {
          const { rows } = await sql`select 1 from pg_locks where not granted and locktype = 'advisory'`.execute(db);
          return rows.length;
        })
        .toBe(count);
    const both: Promise<unknown>[] = [];
    await db.transaction().execute(async (trx) => {
      await ownStudy(trx as never, study);
      const code = { value: '113039', scheme: 'DCM' };
      const hide: Hide = { reason: 'rejection-note', code, cause: newUid(), eraseAfterMs: 0, actor: 'note' };
      both.push(archive.tombstones.hideInstances(study, [ref(one)], hide));
      await waiting(1);
      both.push(store(one));
      await waiting(2);
    });
    await Promise.all(both);
    now += hourMs;
    await archive.erase();
    expect(await readable()).toEqual([one]);
  });
});
