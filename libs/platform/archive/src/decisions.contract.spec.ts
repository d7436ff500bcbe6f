import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { newId, uuidToUid } from '@callosum/kernel';
import { tinyCt } from '@callosum/phantom';
import { orSkip, startPostgres, type TestPostgres } from '@callosum/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { Archive, Hide, Intake } from './index.js';
import { HookedStore } from './test-support/hooked-store.js';
import { type OpenArchive, openArchive, prepareArchive } from './test-support/open-archive.js';

const postgres = await orSkip(startPostgres);
const folder = await mkdtemp(join(tmpdir(), 'callosum-decisions-'));
afterAll(async () => {
  await postgres.server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const hourMs = 3_600_000;
const intake: Intake = { origin: 'dimse', source: 'CT1' };
const newUid = (): string => uuidToUid(newId());
const person: Hide = { reason: 'person', eraseAfterMs: hourMs, actor: 'subject-1' };

describe.skipIf(postgres.missing)(`decisions${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
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

  const store = (sop: string, more: Record<string, string> = {}) =>
    archive.store(
      tinyCt({ SOPInstanceUID: sop, StudyInstanceUID: study, SeriesInstanceUID: `${study}.1`, ...more }).bytes,
      intake,
    );
  const stored = async (): Promise<string> => {
    const sop = newUid();
    await store(sop);
    return sop;
  };
  /** UIDs that readers find, with a blob that is there. */
  const readable = async (): Promise<string[]> => {
    const rows = await archive.locate({ studyInstanceUid: study });
    for (const row of rows) await objects.head(row.blob_key);
    return rows.map((row) => row.sop_instance_uid).sort();
  };
  const letGo = async (quietSince: number): Promise<number> =>
    (await archive.tombstones.letGo(study, { quietSince: new Date(quietSince), eraseAfterMs: hourMs })).instances;

  it('of retention wait for what the archive has and the index does not know yet, also at the last moment', async () => {
    const started = now;
    const early = await stored();
    now += hourMs;
    const late = await stored();
    expect(await letGo(started)).toBe(0);
    expect(await readable()).toEqual([early, late].sort());
    const more = newUid();
    now += hourMs;
    objects.beforeMark = () => store(more);
    expect(await letGo(now - 1)).toBe(0);
    expect(await readable()).toHaveLength(3);
    expect(await letGo(now)).toBe(3);
    expect(await readable()).toEqual([]);
  });

  it('of retention count anew from when what was let go came again', async () => {
    const one = await stored();
    const first = now;
    now += 24 * hourMs;
    expect(await letGo(first)).toBe(1);
    await store(one);
    expect(await readable()).toEqual([one]);
    now += hourMs;
    expect(await letGo(first)).toBe(0);
    expect(await letGo(now)).toBe(1);
  });

  it('of retention leave alone what a person restored, however much was decided since', async () => {
    const one = await stored();
    await archive.tombstones.hide({ studyInstanceUid: study }, person);
    await archive.tombstones.restore({ studyInstanceUid: study }, { actor: 'subject-1' });
    for (let at = 0; at < 51; at++) {
      await archive.tombstones.hold(study, { actor: 'legal' });
      await archive.tombstones.release(study, { actor: 'legal' });
    }
    now += 24 * hourMs;
    expect(await letGo(now)).toBe(0);
    expect(await readable()).toEqual([one]);
  });

  it('about a study name what comes until they are recorded', async () => {
    await stored();
    const late = newUid();
    objects.beforeMark = () => store(late);
    expect(await archive.tombstones.hide({ studyInstanceUid: study }, person)).toMatchObject({ instances: 2 });
    expect(await readable()).toEqual([]);
  });

  it('about a study reach what lies in it under a UID of another study', async () => {
    const one = await stored();
    const first = study;
    study = newUid();
    expect((await store(one)).status).toBe('conflicting-study');
    expect(await archive.tombstones.hide({ studyInstanceUid: study }, person)).toMatchObject({ instances: 1 });
    now += hourMs;
    // What other decisions here left is due too.
    await archive.erase();
    expect(await archive.tombstones.restore({ studyInstanceUid: study }, { actor: 'subject-1' })).toMatchObject({
      instances: 1,
    });
    expect(await readable()).toEqual([]);
    study = first;
    expect(await readable()).toEqual([one]);
  });

  it('to lift a legal hold are none where there is none', async () => {
    expect(await archive.tombstones.release(newUid(), { actor: 'legal' })).toMatchObject({ instances: 0 });
    await stored();
    await archive.tombstones.release(study, { actor: 'legal' });
    expect(await archive.tombstones.status(study)).toMatchObject({ sequence: 0, tombstones: [] });
  });

  it('of a note are taken back where it was wrong, and nothing that a person decided', async () => {
    const [one, two] = [await stored(), await stored()];
    const refs = [one, two].map((sopInstanceUid) => ({ seriesInstanceUid: `${study}.1`, sopInstanceUid }));
    const code = { value: '113037', scheme: 'DCM' };
    const hide: Hide = { reason: 'rejection-note', code, cause: newUid(), eraseAfterMs: null, actor: 'note' };
    await archive.tombstones.hideInstances(study, refs, hide);
    await archive.tombstones.hide({ studyInstanceUid: study, sopInstanceUid: two }, person);
    for (const sop of [one, two])
      await archive.tombstones.unreject(study, { note: 'note', isWrong: (other) => other === sop });
    expect(await readable()).toEqual([one]);
  });

  it('of retention wait for what came and is not shown: its bytes would go with the others', async () => {
    const one = await stored();
    const first = now;
    now += 24 * hourMs;
    expect((await store(one, { StudyDescription: 'other', SeriesInstanceUID: `${study}.2` })).status).toBe(
      'conflicting-study',
    );
    expect(await letGo(first)).toBe(0);
    expect(await readable()).toEqual([one]);
  });

  it('of retention wait for what the index does not know: it may have to be kept for longer', async () => {
    await stored();
    await stored();
    const over = { quietSince: new Date(now), eraseAfterMs: hourMs };
    expect(await archive.tombstones.letGo(study, { ...over, sourceInstances: 1 })).toMatchObject({ instances: 0 });
    expect(await readable()).toHaveLength(2);
    expect(await archive.tombstones.letGo(study, { ...over, sourceInstances: 2 })).toMatchObject({ instances: 2 });
  });

  it('of retention wait for what is hidden, whose modality nobody says, and may keep its study for ever', async () => {
    await stored();
    const hidden = await stored();
    await archive.tombstones.hide({ studyInstanceUid: study, sopInstanceUid: hidden }, person);
    const letGoBy = async (hiddenQuietSince: Date | null) =>
      archive.tombstones.letGo(study, { quietSince: new Date(now), hiddenQuietSince, eraseAfterMs: hourMs });
    expect(await letGoBy(null)).toMatchObject({ instances: 0 });
    expect(await letGoBy(new Date(now - 1))).toMatchObject({ instances: 0 });
    expect(await readable()).toHaveLength(1);
    expect(await letGoBy(new Date(now))).toMatchObject({ instances: 2 });
  });

  it('of a person hold, where what may come again comes at that moment', async () => {
    const one = await stored();
    await archive.tombstones.hide({ studyInstanceUid: study }, { ...person, reason: 'retention' });
    objects.beforeMark = () => archive.tombstones.hide({ studyInstanceUid: study }, person);
    await store(one);
    expect(await readable()).toEqual([]);
    await archive.tombstones.restore({ studyInstanceUid: study }, { actor: 'subject-1' });
    expect(await readable()).toEqual([one]);
  });

  it('are obeyed in the order they were recorded in by a ledger that is made again from the blobs', async () => {
    const one = await stored();
    await archive.tombstones.hide({ studyInstanceUid: study }, person);
    now += 1_000;
    objects.beforeMark = async () => {
      now += 1_000;
      await archive.tombstones.hide({ studyInstanceUid: study }, person);
    };
    await archive.tombstones.restore({ studyInstanceUid: study }, { actor: 'subject-1' });
    expect(await readable()).toEqual([one]);
    const lost = await (postgres.server as TestPostgres).createDatabase();
    await prepareArchive(lost);
    const again = openArchive(lost, objects, 1_000_000, { clock });
    try {
      for await (const progress of again.archive.reconcile(0, () => Promise.resolve(100_000))) void progress;
      expect(await again.archive.locate({ studyInstanceUid: study })).toHaveLength(1);
    } finally {
      await again.database.close();
    }
  });

  it('to show what comes again are one for those that come at the same moment', async () => {
    const all = await Promise.all(Array.from({ length: 40 }, stored));
    await archive.tombstones.hide({ studyInstanceUid: study }, { ...person, reason: 'retention' });
    await Promise.all(all.map((sop) => store(sop)));
    expect(await readable()).toEqual([...all].sort());
    const { tombstones } = await archive.tombstones.status(study);
    expect(tombstones.filter(({ reason }) => reason === 'received-again').length).toBeLessThan(20);
  });

  it('of a note are its own to take back, where nobody else hid the instance, before or after', async () => {
    const [alone, before, after, twice] = await Promise.all([stored(), stored(), stored(), stored()]);
    const refs = [alone, before, after, twice].map((sop) => ({ seriesInstanceUid: `${study}.1`, sopInstanceUid: sop }));
    const note = newUid();
    const hide: Hide = { reason: 'rejection-note', cause: note, eraseAfterMs: null, actor: note };
    await archive.tombstones.hide({ studyInstanceUid: study, sopInstanceUid: before }, person);
    await archive.tombstones.hideInstances(study, refs, hide);
    await archive.tombstones.hide({ studyInstanceUid: study, sopInstanceUid: after }, person);
    await archive.tombstones.hideInstances(study, refs.slice(3), { ...hide, cause: `${note}/2` });
    expect(await archive.tombstones.unreject(study, { note: 'another', isWrong: () => true })).toMatchObject({
      instances: 0,
    });
    expect(await archive.tombstones.unreject(study, { note, isWrong: () => true })).toMatchObject({ instances: 2 });
    expect(await readable()).toEqual([alone, twice].sort());
  });
});
