import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Attributes } from '@callosum/dicom';
import type { DatabaseConfig } from '@callosum/database';
import { newId, uuidToUid } from '@callosum/kernel';
import { FileObjectStore } from '@callosum/object-store';
import { tinyCt } from '@callosum/phantom';
import { orSkip, startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { type Archive, type Hide, type Intake, NothingKeptError, TombstonesChangedError } from './index.js';
import { type OpenArchive, openArchive, prepareArchive } from './test-support/open-archive.js';

const postgres = await orSkip(startPostgres);
const folder = await mkdtemp(join(tmpdir(), 'callosum-tombstones-'));
afterAll(async () => {
  await postgres.server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const hourMs = 3_600_000;
const intake: Intake = { origin: 'dimse', source: 'CT1' };
const newUid = (): string => uuidToUid(newId());
const person: Hide = { reason: 'person', eraseAfterMs: hourMs, actor: 'subject-1' };

describe.skipIf(postgres.missing)(`tombstones${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
  let config: DatabaseConfig;
  let here: OpenArchive;
  let archive: Archive;
  let study: string;
  let now = Date.parse('2126-11-22T00:00:00Z');
  const objects = new FileObjectStore({ root: folder, diskFreeBytesMin: 0 });
  const clock = { now: () => new Date(now) };

  beforeAll(async () => {
    config = await (postgres.server as TestPostgres).createDatabase();
    await prepareArchive(config);
    here = openArchive(config, objects, 1_000_000, { clock });
    archive = here.archive;
  });
  afterAll(() => here?.database.close());
  beforeEach(() => {
    study = newUid();
    now += 24 * hourMs;
  });

  const ct = (sop: string, more: Attributes = {}) =>
    tinyCt({ SOPInstanceUID: sop, StudyInstanceUID: study, SeriesInstanceUID: `${study}.1`, ...more });
  const store = (sop: string, more: Attributes = {}) => archive.store(ct(sop, more).bytes, intake);
  const stored = async (): Promise<string> => {
    const sop = newUid();
    await store(sop);
    return sop;
  };
  const shown = async (): Promise<string[]> =>
    (await archive.locate({ studyInstanceUid: study })).map((row) => row.sop_instance_uid).sort();
  const ref = (sop: string) => ({ seriesInstanceUid: `${study}.1`, sopInstanceUid: sop });
  const facts = async (): Promise<Record<string, unknown>[]> => {
    const { rows } = await sql<{ value: string }>`select value from outbox
      where topic = 'imaging.tombstone.recorded.v1' and key = ${study} order by id`.execute(here.database.db);
    return rows.map(({ value }) => JSON.parse(value) as Record<string, unknown>);
  };
  const blobsOf = async (sop: string): Promise<number> => {
    const { rows } = await sql<{ key: string }>`select blob_key as key from intake
      where sop_instance_uid = ${sop}`.execute(here.database.db);
    const there = await Promise.all(
      rows.map(({ key }) =>
        objects.head(key).then(
          () => 1,
          () => 0,
        ),
      ),
    );
    return there.filter((one) => one === 1).length;
  };

  it('hide from every reader what they name, tell of it, and show it again', async () => {
    const [one, two] = [await stored(), await stored()];
    await archive.tombstones.hide({ studyInstanceUid: study, sopInstanceUid: one }, person);
    expect(await shown()).toEqual([two]);
    // Nobody is promised what may be erased.
    expect([...(await archive.keptClasses([one, two])).keys()]).toEqual([two]);
    expect(await archive.sourceInstancesOf(study)).toMatchObject([{ sopInstanceUid: two }]);
    expect(await archive.intakeOf(study)).toMatchObject({ instances: 1 });
    expect(await archive.tombstones.status(study)).toMatchObject({ shown: 1, hidden: 1, erased: 0 });
    expect(await archive.tombstones.restore({ studyInstanceUid: study }, { actor: 'subject-2' })).toMatchObject({
      instances: 1,
    });
    expect(await shown()).toEqual([one, two].sort());
    expect(await facts()).toMatchObject([
      {
        effect: 'TOMBSTONE_EFFECT_HIDDEN',
        reason: 'TOMBSTONE_REASON_PERSON',
        instances: [ref(one)],
        actor: 'subject-1',
      },
      { effect: 'TOMBSTONE_EFFECT_RESTORED', instances: [ref(one)], actor: 'subject-2' },
    ]);
    const [hidden, restored] = (await facts()).map(({ sequence }) => Number(sequence));
    expect(restored).toBeGreaterThan(hidden ?? 0);
  });

  it('hide what comes later too, also beside a store that is under way; the sender hears success', async () => {
    const [early, late] = [newUid(), newUid()];
    const note = { reason: 'rejection-note', code: { value: '113037', scheme: 'DCM' }, eraseAfterMs: null } as const;
    const hide = { ...note, actor: 'note', cause: newUid() };
    await archive.tombstones.hideInstances(study, [ref(early)], hide);
    expect((await store(early)).status).toBe('stored');
    await Promise.all([
      archive.tombstones.hideInstances(study, [ref(late)], { ...hide, cause: newUid() }),
      ...Array.from({ length: 4 }, () => store(late)),
    ]);
    expect(await shown()).toEqual([]);
    expect(await archive.tombstones.status(study)).toMatchObject({ hidden: 2, eraseAt: undefined });
    // Once for each note, also after somebody decided otherwise.
    await archive.tombstones.restore({ studyInstanceUid: study }, { actor: 'subject-1', rejected: true });
    expect(await archive.tombstones.hideInstances(study, [ref(early)], hide)).toMatchObject({ instances: 0 });
    expect(await shown()).toEqual([early, late].sort());
  });

  it('erase the bytes when the grace is over, and keep what is needed to know the object again', async () => {
    const [one, two] = [await stored(), await stored()];
    await archive.tombstones.hide({ studyInstanceUid: study, sopInstanceUid: one }, person);
    await archive.erase();
    expect(await blobsOf(one)).toBe(1);
    now += hourMs;
    expect(await archive.erase()).toBe(1);
    expect([await blobsOf(one), await blobsOf(two)]).toEqual([0, 1]);
    expect((await store(one)).status).toBe('duplicate');
    expect(await shown()).toEqual([two]);
    expect((await facts()).at(-1)).toMatchObject({ effect: 'TOMBSTONE_EFFECT_ERASED', instances: [ref(one)] });
    // A person lets it be sent again.
    await archive.tombstones.restore({ studyInstanceUid: study }, { actor: 'subject-1' });
    expect(await shown()).toEqual([two]);
    expect((await store(one)).status).toBe('stored');
    expect(await shown()).toEqual([one, two].sort());
  });

  it('erase nothing of a study under legal hold, and all of it that is due once it is lifted', async () => {
    const one = await stored();
    await archive.tombstones.hold(study, { actor: 'legal' });
    await archive.tombstones.hide({ studyInstanceUid: study }, person);
    now += 2 * hourMs;
    expect(await archive.erase()).toBe(0);
    expect(await blobsOf(one)).toBe(1);
    expect(await archive.tombstones.status(study)).toMatchObject({ hidden: 1, legalHold: { actor: 'legal' } });
    await archive.tombstones.release(study, { actor: 'legal' });
    expect(await archive.erase()).toBe(1);
    expect(await blobsOf(one)).toBe(0);
  });

  it('of retention let an instance come again, before it is erased and after', async () => {
    const one = await stored();
    const retention = { ...person, reason: 'retention' } as const;
    await archive.tombstones.hide({ studyInstanceUid: study }, retention);
    expect((await store(one)).status).toBe('duplicate');
    expect(await shown()).toEqual([one]);
    await archive.tombstones.hide({ studyInstanceUid: study }, retention);
    now += hourMs;
    await archive.erase();
    expect((await store(one)).status).toBe('stored');
    expect(await shown()).toEqual([one]);
    expect(await blobsOf(one)).toBe(1);
    expect((await facts()).at(-1)).toMatchObject({ reason: 'TOMBSTONE_REASON_RECEIVED_AGAIN' });
  });

  it('of a withdrawn result are taken back by Callosum itself, and by no copy that a PACS sends', async () => {
    const own = newUid();
    await archive.issue([own]);
    const publish = () => archive.store(ct(own).bytes, { origin: 'callosum', source: 'CALLOSUM' });
    await publish();
    expect(await archive.tombstones.hideResults(study, [own, newUid()], 'result-publisher')).toMatchObject({
      instances: 1,
    });
    await store(own);
    expect(await shown()).toEqual([]);
    await publish();
    expect(await shown()).toEqual([own]);
  });

  it('are decided on what stands: another decision in between is a conflict, and of nothing there is none', async () => {
    await stored();
    const { sequence } = await archive.tombstones.status(study);
    await archive.tombstones.hold(study, { actor: 'legal', expectedSequence: sequence });
    await expect(
      archive.tombstones.hide({ studyInstanceUid: study }, { ...person, expectedSequence: sequence }),
    ).rejects.toThrow(TombstonesChangedError);
    expect(await shown()).toHaveLength(1);
    await expect(archive.tombstones.hide({ studyInstanceUid: newUid() }, person)).rejects.toThrow(NothingKeptError);
    await expect(archive.tombstones.restore({ studyInstanceUid: study }, person)).rejects.toThrow(NothingKeptError);
  });

  it('are obeyed by a ledger that is made again from the blobs', async () => {
    const [one, two] = [await stored(), await stored()];
    await archive.tombstones.hide({ studyInstanceUid: study, sopInstanceUid: one }, person);
    await archive.tombstones.hold(study, { actor: 'legal' });
    const lost = await (postgres.server as TestPostgres).createDatabase();
    await prepareArchive(lost);
    now += hourMs;
    const again = openArchive(lost, objects, 1_000_000, { clock });
    try {
      for await (const progress of again.archive.reconcile(0, () => Promise.resolve(100_000))) void progress;
      const rows = await again.archive.locate({ studyInstanceUid: study });
      expect(rows.map((row) => row.sop_instance_uid)).toEqual([two]);
      expect(await again.archive.tombstones.status(study)).toMatchObject({ hidden: 1, legalHold: { actor: 'legal' } });
      expect(await again.archive.erase()).toBe(0);
    } finally {
      await again.database.close();
    }
  });
});
