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
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { ArchiveTombstones } from './adapters/archive-tombstones.js';
import { obeyNote } from './application/obey-note.js';

const postgres = await orSkip(startPostgres);
const newUid = (): string => uuidToUid(newId());

describe.skipIf(postgres.missing)(
  `rejection notes and an archive${postgres.missing ? ` (${postgres.missing})` : ''}`,
  () => {
    let database: Database<never>;
    let archive: Archive;
    let study: string;
    let note: string;
    let one: string;
    let other: string;
    const root = mkdtempSync(join(tmpdir(), 'callosum-notes-'));

    beforeAll(async () => {
      database = connect<never>(await (postgres.server as TestPostgres).createDatabase(), 'archive', () => undefined);
      await database.pool.query('create schema if not exists archive');
      await migrate(database.db, 'archive', { ...eventTablesMigrations, ...archiveMigrations });
      archive = new Archive({
        database,
        objectStore: new FileObjectStore({ root, diskFreeBytesMin: 0 }),
        outbox: new PostgresOutbox({ service: 'study-index' }),
        site: 'default',
        logger: createLogger('notes-test', 'silent'),
      });
    });
    afterAll(async () => {
      await database?.close();
      await postgres.server?.stop();
      rmSync(root, { recursive: true, force: true });
    });
    const stored = async (): Promise<string> => {
      const uids = { SOPInstanceUID: newUid(), StudyInstanceUID: study, SeriesInstanceUID: `${study}.1` };
      await archive.store(tinyCt(uids).bytes, { origin: 'dimse', source: 'CT1' });
      return uids.SOPInstanceUID;
    };
    beforeEach(async () => {
      [study, note] = [newUid(), newUid()];
      [one, other] = [await stored(), await stored()];
    });

    const obey = async (instanceRevision: number, ...sops: string[]): Promise<void> => {
      const said = { sopInstanceUid: note, studyInstanceUid: study, instanceRevision };
      const rejected = sops.map((sopInstanceUid) => ({ seriesInstanceUid: `${study}.1`, sopInstanceUid }));
      const patient = { patientId: 'P-1', issuerOfPatientId: '' };
      await obeyNote(
        new ArchiveTombstones(archive),
        { ofOtherPatient: () => Promise.resolve([]) },
        { add: () => Promise.resolve() },
        { ...said, ...patient, code: '113037', rejected, elsewhere: 0 },
        null,
      );
    };
    const rejectNothing = (instanceRevision: number) =>
      new ArchiveTombstones(archive).rejectsNothing({
        sopInstanceUid: note,
        studyInstanceUid: study,
        instanceRevision,
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
  },
);
