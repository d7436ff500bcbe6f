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
    objects.beforeMark = undefined;
    objects.failsToDelete = () => false;
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
    for (const sop of [one, two]) await archive.tombstones.unreject(study, sop, 'note');
    expect(await readable()).toEqual([one]);
  });
});
