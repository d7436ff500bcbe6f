import type { Archive } from '@callosum/archive';
import type { Database } from '@callosum/database';
import { ARCHIVE, DATABASE, LOGGER, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import type { Provider } from '@nestjs/common';

import { ArchiveTombstones, PostgresIndexedPatients } from './adapters/archive-tombstones.js';
import type { ArchiveSource } from './adapters/archive-source.js';
import { PostgresAwaitedRejections } from './adapters/awaited-rejections.js';
import { PostgresRetention } from './adapters/retention.js';
import type { StudyIndexTables } from './adapters/tables.js';
import { type AwaitedRejections, type JudgeRejected, judgeRejected } from './application/judge-rejected.js';
import { type ObeyNote, obeyNote } from './application/obey-note.js';
import { readShown } from './application/read-instance.js';
import { rejectionNoteOf, mayRejectNoMore } from './domain/rejection-note.js';
import { erasureGraceMs } from './settings-tombstones.js';
import type { StudyIndexSettings } from './settings.js';
import { AWAITED_REJECTIONS, BLOBS, JUDGE_REJECTED, OBEY_NOTE, RETENTION, TOMBSTONES } from './tokens.js';
import { AwaitedRejectionsLoop } from './transport/awaited-rejections.loop.js';
import { RetentionLoop } from './transport/retention.loop.js';

/** What is shown of the archive and what is let go (docs/adr/0073). */
export const tombstoneProviders: Provider[] = [
  RetentionLoop,
  AwaitedRejectionsLoop,
  {
    provide: AWAITED_REJECTIONS,
    inject: [DATABASE],
    useFactory: ({ db }: Database<StudyIndexTables>) => new PostgresAwaitedRejections(db),
  },
  { provide: TOMBSTONES, inject: [ARCHIVE], useFactory: (archive: Archive) => new ArchiveTombstones(archive) },
  {
    provide: RETENTION,
    inject: [DATABASE],
    useFactory: ({ db }: Database<StudyIndexTables>) => new PostgresRetention(db),
  },
  {
    provide: OBEY_NOTE,
    inject: [TOMBSTONES, AWAITED_REJECTIONS, DATABASE, SETTINGS, LOGGER],
    useFactory:
      (
        archive: ArchiveTombstones,
        awaited: AwaitedRejections,
        { db }: Database<StudyIndexTables>,
        settings: StudyIndexSettings,
        log: Logger,
      ): ObeyNote =>
      async (record) => {
        const note = rejectionNoteOf(record);
        if (!note) {
          if (mayRejectNoMore(record)) await archive.rejectsNothing(record);
          return;
        }
        const patients = new PostgresIndexedPatients(db);
        const { hidden, refused, takenBack } = await obeyNote(
          archive,
          patients,
          awaited,
          note,
          erasureGraceMs(settings),
        );
        const fields = { study: note.studyInstanceUid, sop: note.sopInstanceUid, code: note.code };
        if (hidden > 0) log.info({ ...fields, instances: hidden }, 'rejection-note.obeyed');
        if (takenBack > 0) log.info({ ...fields, instances: takenBack }, 'rejection-note.taken-back');
        if (refused > 0) log.warn({ ...fields, instances: refused }, 'rejection-note.refused');
      },
  },
  {
    provide: JUDGE_REJECTED,
    inject: [TOMBSTONES, BLOBS, AWAITED_REJECTIONS, LOGGER],
    useFactory:
      (archive: ArchiveTombstones, source: ArchiveSource, awaited: AwaitedRejections, log: Logger): JudgeRejected =>
      async (stored) => {
        const note = await judgeRejected(awaited, archive, (one) => readShown(source, one), stored);
        if (note !== undefined)
          log.warn({ study: stored.studyInstanceUid, sop: note, instances: 1 }, 'rejection-note.refused');
      },
  },
];
