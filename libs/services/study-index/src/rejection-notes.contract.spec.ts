import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Archive, archiveMigrations } from '@callosum/archive';
import { connect, type Database, migrate } from '@callosum/database';
import { eventTablesMigrations, PostgresOutbox } from '@callosum/event-log';
import { newId, uuidToUid } from '@callosum/kernel';
import { FileObjectStore } from '@callosum/object-store';
import { tinyCt } from '@callosum/phantom';
import { createLogger } from '@callosum/telemetry';
import { orSkip, startPostgres, type TestPostgres } from '@callosum/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { ArchiveTombstones } from './adapters/archive-tombstones.js';
import { obeyNote } from './application/obey-note.js';

const postgres = await orSkip(startPostgres);
const newUid = (): string => uuidToUid(newId());

describe.skipIf(postgres.missing)(
  `rejection notes and an archive${postgres.missing ? ` (${postgres.missing})` : ''}`,
  () => {
    let database: Database<never>;
    let archive: Archive;
    let restored: Database<never> | undefined;
    let study: string;
    let note: string;
    let one: string;
    let other: string;
    const root = mkdtempSync(join(tmpdir(), 'callosum-notes-'));

    /** An archive with a ledger of its own, beside the same blobs. */
    const open = async (): Promise<[Database<never>, Archive]> => {
      const made = connect<never>(await (postgres.server as TestPostgres).createDatabase(), 'archive', () => undefined);
      await made.pool.query('create schema if not exists archive');
      await migrate(made.db, 'archive', { ...eventTablesMigrations, ...archiveMigrations });
      const parts = {
        database: made,
        objectStore: new FileObjectStore({ root, diskFreeBytesMin: 0 }),
        outbox: new PostgresOutbox({ service: 'study-index' }),
        site: 'default',
        logger: createLogger('notes-test', 'silent'),
      };
      return [made, new Archive(parts)];
    };
    let first: Archive;
    beforeAll(async () => {
      [database, first] = await open();
    });
    afterAll(async () => {
      await database?.close();
      await postgres.server?.stop();
      rmSync(root, { recursive: true, force: true });
    });
    const stored = async (sop = newUid()): Promise<string> => {
      const uids = { SOPInstanceUID: sop, StudyInstanceUID: study, SeriesInstanceUID: `${study}.1` };
      await archive.store(tinyCt(uids).bytes, { origin: 'dimse', source: 'CT1' });
      return sop;
    };
    /** From before all that came, but with what lies beside the blobs. */
    const restore = async (): Promise<void> => {
      [restored, archive] = await open();
      await archive.tombstones.replay();
      for (const sop of [one, other]) await stored(sop);
    };
    beforeEach(async () => {
      archive = first;
      foreign.clear();
      awaited.length = 0;
      [study, note] = [newUid(), newUid()];
      [one, other] = [await stored(), await stored()];
    });
    afterEach(async () => {
      await restored?.close();
      restored = undefined;
    });

    /** Of another patient than the note. */
    const foreign = new Set<string>();
    const awaited: string[] = [];
    const begun = Date.parse('2026-11-22T00:00:00Z');
    /** When the object of a revision came, in hours; as many as its number where nobody restored anything. */
    const cameAt = (hours: number) => new Date(begun + hours * 3_600_000);
    const obey = (instanceRevision: number, ...sops: string[]): Promise<void> =>
      obeyOne({ instanceRevision, storedAt: cameAt(instanceRevision) }, ...sops);
    const obeyOne = async (
      { patientId = 'P-1', ...revision }: { instanceRevision: number; storedAt: Date; patientId?: string },
      ...sops: string[]
    ): Promise<void> => {
      const said = { sopInstanceUid: note, studyInstanceUid: study, ...revision };
      const rejected = sops.map((sopInstanceUid) => ({ seriesInstanceUid: `${study}.1`, sopInstanceUid }));
      await obeyNote(
        new ArchiveTombstones(archive),
        { ofOtherPatient: (_study, uids) => Promise.resolve(uids.filter((uid) => foreign.has(uid))) },
        { add: (named) => Promise.resolve(void awaited.push(named.patientId)) },
        { ...said, patientId, issuerOfPatientId: '', code: '113037', rejected, elsewhere: 0 },
        null,
      );
    };
    const rejectNothing = (instanceRevision: number, storedAt = cameAt(instanceRevision)) =>
      new ArchiveTombstones(archive).rejectsNothing({
        ...{ sopInstanceUid: note, studyInstanceUid: study, instanceRevision, storedAt },
      });
    const shown = async (): Promise<string[]> =>
      (await archive.locate({ studyInstanceUid: study })).map((row) => row.sop_instance_uid).sort();

    it('hide what the last of them names, though facts of those before it are delivered again', async () => {
      await obey(1, one);
      await obey(2, one);
      await obey(3, one, other);
      expect(await shown()).toEqual([]);
      await obey(2, one);
      expect(await shown()).toEqual([]);
      await obey(3, one, other);
      expect(await shown()).toEqual([]);
    });

    it('hide it too where the one before rejected nothing', async () => {
      await obey(1, one);
      await rejectNothing(2);
      expect(await shown()).toEqual([one, other].sort());
      await obey(3, one);
      await rejectNothing(2);
      expect(await shown()).toEqual([other]);
    });

    it('hide nothing that only one of them names that comes after a later one', async () => {
      await obey(1, one);
      await obey(3, one);
      await obey(2, one, other);
      expect(await shown()).toEqual([other]);
      await rejectNothing(5);
      await obey(4, one, other);
      expect(await shown()).toEqual([one, other].sort());
    });

    it('give back what a correction names no more, delivered once or again', async () => {
      await obey(1, one, other);
      await obey(2, one);
      await obey(2, one);
      expect(await shown()).toEqual([other]);
      await rejectNothing(3);
      expect(await shown()).toEqual([one, other].sort());
    });

    it('hide nothing that only one of them names that comes after a later one, of which everything is refused', async () => {
      await obey(1, one);
      foreign.add(one).add(other);
      await obey(3, one);
      expect(await shown()).toEqual([one, other].sort());
      foreign.clear();
      await obey(2, one, other);
      expect(await shown()).toEqual([one, other].sort());
    });

    it('hide nothing either where that one came first, and had nothing to take back', async () => {
      foreign.add(one);
      await obey(2, one);
      await obey(2, one);
      expect((await archive.tombstones.status(study)).tombstones).toMatchObject([{ effect: 'restored', instances: 0 }]);
      foreign.clear();
      await obey(1, one);
      expect(await shown()).toEqual([one, other].sort());
      await obey(3, one);
      await obey(2, one);
      expect(await shown()).toEqual([other]);
    });

    it('hide nothing where that one is known from beside the blobs alone', async () => {
      foreign.add(one);
      await obey(2, one);
      await restore();
      foreign.clear();
      await obey(1, one);
      expect(await shown()).toEqual([one, other].sort());
    });

    it('take back what they hid themselves, delivered again when everything is refused', async () => {
      await obey(2, one, other);
      foreign.add(one).add(other);
      await obey(2, one, other);
      expect(await shown()).toEqual([one, other].sort());
    });

    it('are of the patient that the last of them says, though facts of those before it are delivered again', async () => {
      const late = newUid();
      await obeyOne({ instanceRevision: 1, storedAt: cameAt(1), patientId: 'P-1' }, late);
      await obeyOne({ instanceRevision: 2, storedAt: cameAt(2), patientId: 'P-2' }, late);
      await obeyOne({ instanceRevision: 1, storedAt: cameAt(1), patientId: 'P-1' }, late);
      expect(awaited).toEqual(['P-1', 'P-2']);
    });

    describe('in a restored database, which gives a number again', () => {
      it.each([1, 2, 3])('hide what the one names that came last: %i', async (instanceRevision) => {
        await obey(1, one);
        await obey(2, one);
        await obey(3, one);
        await restore();
        expect(await shown()).toEqual([other]);
        const last = { instanceRevision, storedAt: cameAt(4) };
        await obeyOne(last, other);
        expect(await shown()).toEqual([one]);
        // Delivered again, all of them, in their order, and what came before the backup again.
        for (const revision of [1, 2, 3]) await obey(revision, one);
        await obeyOne(last, other);
        await obey(3, one);
        expect(await shown()).toEqual([one]);
        await obeyOne({ instanceRevision: instanceRevision + 1, storedAt: cameAt(5) }, one, other);
        await obeyOne(last, other);
        expect(await shown()).toEqual([]);
      });

      it.each([1, 2])('hide nothing where the one that came last is none any more: %i', async (instanceRevision) => {
        await obey(1, one);
        await obey(2, one);
        await restore();
        await rejectNothing(instanceRevision, cameAt(4));
        await obey(2, one);
        expect(await shown()).toEqual([one, other].sort());
      });
    });
  },
);
