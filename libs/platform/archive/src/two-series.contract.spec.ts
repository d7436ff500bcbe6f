import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { newId, uuidToUid } from '@callosum/kernel';
import { FileObjectStore } from '@callosum/object-store';
import { tinyCt } from '@callosum/phantom';
import { orSkip, startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { type Archive, type Hide, NothingKeptError } from './index.js';
import { type OpenArchive, openArchive, prepareArchive } from './test-support/open-archive.js';

const postgres = await orSkip(startPostgres);
const folder = await mkdtemp(join(tmpdir(), 'callosum-two-series-'));
afterAll(async () => {
  await postgres.server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const hourMs = 3_600_000;
const newUid = (): string => uuidToUid(newId());
const person: Hide = { reason: 'person', eraseAfterMs: hourMs, actor: 'subject-1' };
const restorer = { actor: 'subject-2' };

describe.skipIf(postgres.missing)(`one UID in two series${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
  let here: OpenArchive;
  let archive: Archive;
  let study: string;
  let one: string;
  let now = Date.parse('2126-11-22T00:00:00Z');
  const objects = new FileObjectStore({ root: folder, diskFreeBytesMin: 0 });

  beforeAll(async () => {
    const config = await (postgres.server as TestPostgres).createDatabase();
    await prepareArchive(config);
    here = openArchive(config, objects, 1_000_000, { clock: { now: () => new Date(now) } });
    archive = here.archive;
  });
  afterAll(() => here?.database.close());

  const series = (name: 'S' | 'T') => `${study}.${name === 'T' ? '1' : '2'}`;
  const store = async (sop: string, name: 'S' | 'T', studyInstanceUid = study, more = {}) => {
    const uids = { SOPInstanceUID: sop, StudyInstanceUID: studyInstanceUid, SeriesInstanceUID: series(name) };
    return (await archive.store(tinyCt({ ...uids, ...more }).bytes, { origin: 'dimse', source: 'CT1' })).status;
  };
  const scope = (name: 'S' | 'T', sopInstanceUid?: string) => ({
    studyInstanceUid: study,
    seriesInstanceUid: series(name),
    sopInstanceUid,
  });
  const shown = async (): Promise<string[]> =>
    (await archive.locate({ studyInstanceUid: study })).map((row) => row.sop_instance_uid).sort();
  const named = async (): Promise<string[]> => {
    const { rows } = await sql<{ value: string }>`select value from outbox
      where topic = 'imaging.tombstone.recorded.v1' and key = ${study} order by id`.execute(here.database.db);
    return rows.flatMap(({ value }) =>
      (JSON.parse(value) as { instances: { seriesInstanceUid: string; sopInstanceUid: string }[] }).instances.map(
        ({ seriesInstanceUid, sopInstanceUid }) => `${seriesInstanceUid} ${sopInstanceUid}`,
      ),
    );
  };
  /** Blobs of an instance that are there. */
  const blobs = async (sop: string): Promise<number> => {
    const { rows } = await sql<{ key: string }>`select blob_key as key from intake
      where sop_instance_uid = ${sop}`.execute(here.database.db);
    const there = await Promise.allSettled(rows.map(({ key }) => objects.head(key)));
    return there.filter(({ status }) => status === 'fulfilled').length;
  };
  const erase = () => {
    now += 2 * hourMs;
    return archive.erase();
  };

  /** X is shown in T; the same UID came again in S of the same study. */
  beforeEach(async () => {
    study = newUid();
    one = newUid();
    now += 24 * hourMs;
    expect(await store(one, 'T')).toBe('stored');
    expect(await store(one, 'S')).toBe('conflicting-study');
  });

  it('stays where it is shown when the other series, or its copy there, is deleted', async () => {
    const other = newUid();
    await store(other, 'S');
    await archive.tombstones.hide(scope('S'), person);
    expect(await named()).toEqual([`${series('S')} ${other}`]);
    expect(await shown()).toEqual([one]);
    expect([...(await archive.keptClasses([one, other])).keys()]).toEqual([one]);
    await expect(archive.tombstones.hide(scope('S', one), person)).rejects.toThrow(NothingKeptError);
    expect(await erase()).toBe(1);
    expect([await blobs(one), await blobs(other)]).toEqual([2, 0]);
    expect(await archive.tombstones.status(study)).toMatchObject({ shown: 1, hidden: 0, erased: 1 });
  });

  it('goes with its copy when the series that shows it is deleted, and comes back by that series', async () => {
    await archive.tombstones.hide(scope('T'), person);
    expect(await named()).toEqual([`${series('T')} ${one}`]);
    expect(await shown()).toEqual([]);
    await expect(archive.tombstones.restore(scope('S'), restorer)).rejects.toThrow(NothingKeptError);
    expect(await archive.tombstones.restore(scope('T'), restorer)).toMatchObject({ instances: 1 });
    expect(await shown()).toEqual([one]);
    await archive.tombstones.hide(scope('T', one), person);
    await erase();
    expect(await blobs(one)).toBe(0);
  });

  it('goes with its study, which names it once, in the series that shows it', async () => {
    await archive.tombstones.hide({ studyInstanceUid: study }, person);
    expect(await named()).toEqual([`${series('T')} ${one}`]);
    expect(await archive.tombstones.restore(scope('T'), restorer)).toMatchObject({ instances: 1 });
    await archive.tombstones.hide({ studyInstanceUid: study }, person);
    await erase();
    expect(await blobs(one)).toBe(0);
  });

  it.each([
    ['is kept still', false, false],
    ['is erased too', true, false],
    ['is erased too, and of another series by the word of a note', true, true],
  ])('erased where it was shown comes back by the series of its copy, which %s', async (_what, isErased, isNoted) => {
    await archive.tombstones.hide(scope('T'), person);
    await erase();
    expect(await store(one, 'S', study, { PatientComments: 'another' })).toBe('conflicting-study');
    await archive.tombstones.hide(scope('S'), person);
    if (isErased) expect(await erase()).toBe(1);
    const note = { reason: 'rejection-note', actor: 'note', eraseAfterMs: null } as const;
    const noted = [{ seriesInstanceUid: '1.2.3', sopInstanceUid: one }];
    if (isNoted) await archive.tombstones.hideInstances(study, noted, note);
    await expect(archive.tombstones.restore(scope('T'), restorer)).rejects.toThrow(NothingKeptError);
    expect(await archive.tombstones.restore(scope('S'), { ...restorer, rejected: true })).toMatchObject({
      instances: 1,
    });
    expect((await named()).at(-1)).toBe(`${series('S')} ${one}`);
  });

  it('in two studies leaves by the series that its copy names', async () => {
    const two = newUid();
    await store(two, 'T', newUid());
    expect(await store(two, 'S')).toBe('conflicting-study');
    await archive.tombstones.hide(scope('S'), person);
    expect(await named()).toEqual([`${series('S')} ${two}`]);
    await erase();
    expect([await blobs(one), await blobs(two)]).toEqual([2, 1]);
    expect(await shown()).toEqual([one]);
  });
});
