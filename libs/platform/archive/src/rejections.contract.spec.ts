import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { newId, uuidToUid } from '@callosum/kernel';
import { tinyCt } from '@callosum/phantom';
import { orSkip, startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { type Archive, type Hide, NothingKeptError, type Recorded, RejectedError } from './index.js';
import { HookedStore } from './test-support/hooked-store.js';
import { type OpenArchive, openArchive, prepareArchive } from './test-support/open-archive.js';

const postgres = await orSkip(startPostgres);
const folder = await mkdtemp(join(tmpdir(), 'callosum-rejections-'));
afterAll(async () => {
  await postgres.server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const hourMs = 3_600_000;
const newUid = (): string => uuidToUid(newId());
const person: Hide = { reason: 'person', eraseAfterMs: hourMs, actor: 'subject-1' };
const restorer = { actor: 'subject-2' };

describe.skipIf(postgres.missing)(`what a note rejected${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
  let here: OpenArchive;
  let archive: Archive;
  let study: string;
  /** Rejected, and beside it. */
  let one: string;
  let other: string;
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

  const bytesOf = (sop: string) =>
    tinyCt({ SOPInstanceUID: sop, StudyInstanceUID: study, SeriesInstanceUID: `${study}.1` }).bytes;
  const stored = async (): Promise<string> => {
    const sop = newUid();
    await archive.store(bytesOf(sop), { origin: 'dimse', source: 'CT1' });
    return sop;
  };
  const ref = (sop: string) => ({ seriesInstanceUid: `${study}.1`, sopInstanceUid: sop });
  const reject = (note: string, ...sops: string[]): Promise<Recorded> => rejectAs('113037', note, ...sops);
  const rejectAs = (value: string, note: string, ...sops: string[]): Promise<Recorded> => {
    const code = { value, scheme: 'DCM' };
    const eraseAfterMs = value === '113039' ? hourMs : null;
    const hide: Hide = { reason: 'rejection-note', code, cause: newUid(), eraseAfterMs, actor: note };
    return archive.tombstones.hideInstances(study, sops.map(ref), hide);
  };
  const remove = () => archive.tombstones.hide({ studyInstanceUid: study }, person);
  const unreject = () => archive.tombstones.unreject(study, 'note', () => true);
  const publish = (sop: string) => archive.store(bytesOf(sop), { origin: 'callosum', source: 'CALLOSUM' });
  const published = async (): Promise<string> => {
    const own = newUid();
    await archive.issue([own]);
    await publish(own);
    return own;
  };
  const withdraw = (own: string) => archive.tombstones.hideResults(study, [own], 'result-publisher');
  const restore = (how: { rejected?: true } = {}) =>
    archive.tombstones.restore({ studyInstanceUid: study }, { ...restorer, ...how });
  const shown = async (from: Archive = archive): Promise<string[]> =>
    (await from.locate({ studyInstanceUid: study })).map((row) => row.sop_instance_uid).sort();
  const status = (from: Archive = archive) => from.tombstones.status(study);
  /** Of each fact that shows something again, what it names. */
  const told = async (): Promise<string[][]> => {
    const { rows } = await sql<{ value: string }>`select value from outbox
      where topic = 'imaging.tombstone.recorded.v1' and key = ${study} order by id`.execute(here.database.db);
    return rows
      .map(({ value }) => JSON.parse(value) as { effect: string; instances?: { sopInstanceUid: string }[] })
      .filter(({ effect }) => effect === 'TOMBSTONE_EFFECT_RESTORED')
      .map(({ instances = [] }) => instances.map(({ sopInstanceUid }) => sopInstanceUid).sort());
  };

  beforeEach(async () => {
    study = newUid();
    now += 24 * hourMs;
    objects.reset();
    [one, other] = [await stored(), await stored()];
  });

  it.each([
    ['before', () => reject('note', one).then(remove)],
    ['after', () => remove().then(() => reject('note', one))],
  ])('stays hidden when a study is restored that was deleted, where the note came %s that', async (_when, hide) => {
    await hide();
    expect(await status()).toMatchObject({ hidden: 2, rejected: 1, eraseAt: new Date(now + hourMs) });
    expect(await restore()).toMatchObject({ instances: 1 });
    expect(await shown()).toEqual([other]);
    expect(await told()).toEqual([[other]]);
    // As if nobody had deleted it: evidence is not erased, and what is sent again stays hidden.
    expect(await status()).toMatchObject({ shown: 1, hidden: 1, rejected: 1, eraseAt: undefined });
    now += 2 * hourMs;
    expect(await archive.erase()).toBe(0);
    await archive.store(bytesOf(one), { origin: 'dimse', source: 'CT1' });
    expect(await shown()).toEqual([other]);
  });

  it('is shown again by who names it, and then no more rejected', async () => {
    await reject('note', one, other);
    await expect(restore()).rejects.toThrow(RejectedError);
    const series = { studyInstanceUid: study, seriesInstanceUid: `${study}.1` };
    await expect(archive.tombstones.restore(series, restorer)).rejects.toThrow(RejectedError);
    await archive.tombstones.restore({ ...series, sopInstanceUid: one }, restorer);
    expect(await shown()).toEqual([one]);
    expect(await restore({ rejected: true })).toMatchObject({ instances: 1 });
    expect(await shown()).toEqual([one, other].sort());
    await expect(restore({ rejected: true })).rejects.toThrow(NothingKeptError);
    await remove();
    expect(await restore()).toMatchObject({ instances: 2 });
    expect(await status()).toMatchObject({ shown: 2, rejected: 0 });
  });

  it('is not erased when the deletion of what is rejected as a whole is taken back, of which nobody is told', async () => {
    await reject('note', one, other);
    await remove();
    expect(await restore()).toMatchObject({ instances: 0 });
    expect(await told()).toEqual([]);
    expect(await status()).toMatchObject({ shown: 0, rejected: 2, eraseAt: undefined });
    await expect(restore()).rejects.toThrow(RejectedError);
  });

  it('belongs to its note again when the deletion is taken back, and the note may take it back', async () => {
    await reject('note', one);
    await remove();
    await restore();
    expect(await unreject()).toMatchObject({ instances: 1 });
    expect(await shown()).toEqual([one, other].sort());
  });

  it('and deleted stays deleted when its note is corrected, and is shown by whoever takes the deletion back', async () => {
    await remove();
    await reject('note', one);
    expect(await unreject()).toMatchObject({ instances: 0 });
    expect(await status()).toMatchObject({ shown: 0, hidden: 2, rejected: 0, eraseAt: new Date(now + hourMs) });
    expect(await unreject()).toMatchObject({ sequence: undefined });
    expect(await restore()).toMatchObject({ instances: 2 });
    expect(await told()).toEqual([[one, other].sort()]);
  });

  it('stays hidden when its note comes between the look and the lock of a restore', async () => {
    await remove();
    objects.beforeMark = () => reject('note', one);
    expect(await restore()).toMatchObject({ instances: 1 });
    expect(await shown()).toEqual([other]);
  });

  it('takes its results with it: they are shown again when Callosum publishes them again', async () => {
    const [own, late] = [newUid(), newUid()];
    await archive.issue([own, late]);
    await publish(own);
    await publish(late);
    await reject('note', one);
    await archive.tombstones.hideResults(study, [own], 'result-publisher');
    await remove();
    // It takes note of a deletion only when that is done.
    await archive.tombstones.hideResults(study, [own, late], 'result-publisher');
    expect(await archive.tombstones.hideResults(study, [own, late], 'result-publisher')).toMatchObject({
      instances: 0,
    });
    expect(await restore()).toMatchObject({ instances: 1 });
    expect(await shown()).toEqual([other]);
    await publish(own);
    await publish(late);
    expect(await shown()).toEqual([other, own, late].sort());
    expect(await restore({ rejected: true })).toMatchObject({ instances: 1 });
  });

  it('may come again after its deletion is taken back, where the note let it (113039)', async () => {
    await rejectAs('113039', 'note', one);
    await remove();
    await restore();
    expect(await shown()).toEqual([other]);
    await archive.store(bytesOf(one), { origin: 'dimse', source: 'CT1' });
    expect(await shown()).toEqual([one, other].sort());
  });

  it('is published again when its note named results, too, and names nothing any more', async () => {
    const own = await published();
    await reject('note', one, own);
    await withdraw(own);
    await publish(own);
    expect(await shown()).toEqual([other]);
    await unreject();
    expect(await shown()).toEqual([one, other].sort());
    await publish(own);
    expect(await shown()).toEqual([one, other, own].sort());
  });

  it.each(['before', 'after', 'after its withdrawal'])(
    'and a result that a person deleted %s stays deleted when the note is corrected',
    async (when) => {
      const own = await published();
      const named = { ...ref(own), studyInstanceUid: study };
      const deleted = () => archive.tombstones.hideInstances(study, [named], person);
      if (when === 'before') await deleted();
      await reject('note', one, own);
      if (when === 'after') await deleted();
      await withdraw(own);
      if (when === 'after its withdrawal') await deleted();
      await unreject();
      await publish(own);
      expect(await shown()).toEqual([one, other].sort());
      await archive.tombstones.restore(named, restorer);
      expect(await shown()).toEqual([one, other, own].sort());
    },
  );

  it('and let go by retention may be sent again once its note is corrected', async () => {
    await archive.tombstones.hideInstances(study, [ref(one)], { ...person, reason: 'retention' });
    await reject('note', one);
    await archive.store(bytesOf(one), { origin: 'dimse', source: 'CT1' });
    expect(await shown()).toEqual([other]);
    await unreject();
    await archive.store(bytesOf(one), { origin: 'dimse', source: 'CT1' });
    expect(await shown()).toEqual([one, other].sort());
  });

  it('is evidence and not erased once its note says that it is no matter of retention, and the other way round', async () => {
    await rejectAs('113039', 'note', one);
    expect(await status()).toMatchObject({ eraseAt: new Date(now + hourMs) });
    await rejectAs('113037', 'note', one);
    expect(await status()).toMatchObject({ rejected: 1, eraseAt: undefined });
    await archive.store(bytesOf(one), { origin: 'dimse', source: 'CT1' });
    expect(await shown()).toEqual([other]);
    await rejectAs('113039', 'note', one);
    await archive.store(bytesOf(one), { origin: 'dimse', source: 'CT1' });
    expect(await shown()).toEqual([one, other].sort());
  });

  it('goes when its note said so, whoever restores the rest', async () => {
    await rejectAs('113039', 'note', one);
    await expect(restore()).rejects.toThrow(RejectedError);
    expect(await status()).toMatchObject({ eraseAt: new Date(now + hourMs) });
  });

  it('and withdrawn comes again when it is published, and not when a PACS sends its copy (113039)', async () => {
    const own = await published();
    await rejectAs('113039', 'note', one, own);
    await withdraw(own);
    await remove();
    await restore();
    await archive.store(bytesOf(own), { origin: 'dimse', source: 'PACS' });
    expect(await shown()).toEqual([other]);
    await publish(own);
    expect(await shown()).toEqual([other, own].sort());
  });

  it('is known of rows that are older than it was said of them', async () => {
    await reject('note', one);
    await sql`update withheld_instance set rejected = false, rejecting_note = null
      where study_instance_uid = ${study}`.execute(here.database.db);
    await remove();
    await restore();
    expect(await shown()).toEqual([other]);
    expect(await unreject()).toMatchObject({ instances: 1 });
  });

  it('is rejected in a ledger too that is made again from the blobs', async () => {
    const third = await stored();
    await reject('note', one, third);
    await remove();
    now += 1_000;
    await archive.tombstones.unreject(study, 'note', (sop) => sop === third);
    now += 1_000;
    await restore();
    const config = await (postgres.server as TestPostgres).createDatabase();
    await prepareArchive(config);
    const again = openArchive(config, objects, 1_000_000, { clock });
    const said = (from: OpenArchive) =>
      sql`select sop_instance_uid, sequence, withheld, reason, admits_again, erase_at, note, rejected, rejecting_note,
        rejection_admits, others_admit, withdrawn from withheld_instance where study_instance_uid = ${study} order by 1`.execute(
        from.database.db,
      );
    try {
      for await (const progress of again.archive.reconcile(0, () => Promise.resolve(100_000))) void progress;
      expect(await shown(again.archive)).toEqual([other, third].sort());
      expect(await status(again.archive)).toMatchObject({ shown: 2, rejected: 1, eraseAt: undefined });
      expect((await said(again)).rows).toEqual((await said(here)).rows);
    } finally {
      await again.database.close();
    }
  });
});
