import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { newId, uuidToUid } from '@callosum/kernel';
import { FileObjectStore } from '@callosum/object-store';
import { tinyCt } from '@callosum/phantom';
import { orSkip, startPostgres, type TestPostgres } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Archive, Intake } from './index.js';
import { type OpenArchive, openArchive, prepareArchive } from './test-support/open-archive.js';

const postgres = await orSkip(startPostgres);
const folder = await mkdtemp(join(tmpdir(), 'callosum-recent-'));
afterAll(async () => {
  await postgres.server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const intake: Intake = { origin: 'stow', source: 'CT1' };
const newUid = (): string => uuidToUid(newId());

describe.skipIf(postgres.missing)(
  `what came of a study lately${postgres.missing ? ` (${postgres.missing})` : ''}`,
  () => {
    let here: OpenArchive;
    let archive: Archive;
    let now = Date.parse('2026-11-22T00:00:00Z');
    const later = (ms: number): Date => new Date((now += ms));

    beforeAll(async () => {
      const config = await (postgres.server as TestPostgres).createDatabase();
      await prepareArchive(config);
      const objects = new FileObjectStore({ root: folder, diskFreeBytesMin: 0 });
      here = openArchive(config, objects, 1_000_000, { clock: { now: () => new Date(now) } });
      archive = here.archive;
    });
    afterAll(() => here?.database.close());

    /** Stores it, and says in which blob. */
    async function store(study: string, sop: string, more: Record<string, string> = {}): Promise<string> {
      const uids = { StudyInstanceUID: study, SeriesInstanceUID: `${study}.1`, SOPInstanceUID: sop };
      await archive.store(tinyCt({ ...uids, ...more }).bytes, intake);
      const [entry] = await archive.locate({ studyInstanceUid: study, sopInstanceUid: sop });
      return entry?.blob_key ?? '';
    }

    it('is told with the newest first, and no more than is asked for', async () => {
      const [study, other] = [newUid(), newUid()];
      await store(study, newUid());
      const since = later(1_000);
      const second = await store(study, newUid());
      later(1_000);
      const third = await store(study, newUid());
      await store(other, newUid());
      expect(await archive.recentBlobs(study, since, 10)).toEqual([third, second]);
      expect(await archive.recentBlobs(study, since, 1)).toEqual([third]);
      expect(await archive.recentBlobs(study, later(1), 10)).toEqual([]);
      expect(await archive.recentBlobs(newUid(), new Date(0), 10)).toEqual([]);
    });

    it('is what is current and shown', async () => {
      const [study, sop, hidden] = [newUid(), newUid(), newUid()];
      const since = later(1_000);
      await store(study, sop);
      const corrected = await store(study, sop, { SeriesDescription: 'corrected' });
      await store(study, hidden);
      expect(await archive.recentBlobs(study, since, 10)).toHaveLength(2);
      await archive.tombstones.hide(
        { studyInstanceUid: study, sopInstanceUid: hidden },
        { reason: 'person', eraseAfterMs: 1_000, actor: 'subject-1' },
      );
      expect(await archive.recentBlobs(study, since, 10)).toEqual([corrected]);
    });
  },
);
