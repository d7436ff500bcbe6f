import type { Archive } from '@callosum/archive';
import type { Database } from '@callosum/database';
import { ARCHIVE, DATABASE, LOGGER, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import type { Provider } from '@nestjs/common';

import { ArchiveTombstones, PostgresIndexedPatients } from './adapters/archive-tombstones.js';
import { PostgresRetention } from './adapters/retention.js';
import type { StudyIndexTables } from './adapters/tables.js';
import { type ObeyNote, obeyNote } from './application/obey-note.js';
import { rejectionNoteOf } from './domain/rejection-note.js';
import { erasureGraceMs } from './settings-tombstones.js';
import type { StudyIndexSettings } from './settings.js';
import { OBEY_NOTE, RETENTION, TOMBSTONES } from './tokens.js';
import { RetentionLoop } from './transport/retention.loop.js';

/** What is shown of the archive and what is let go (docs/adr/0073). */
export const tombstoneProviders: Provider[] = [
  RetentionLoop,
  { provide: TOMBSTONES, inject: [ARCHIVE], useFactory: (archive: Archive) => new ArchiveTombstones(archive) },
  {
    provide: RETENTION,
    inject: [DATABASE],
    useFactory: ({ db }: Database<StudyIndexTables>) => new PostgresRetention(db),
  },
  {
    provide: OBEY_NOTE,
    inject: [TOMBSTONES, DATABASE, SETTINGS, LOGGER],
    useFactory:
      (
        archive: ArchiveTombstones,
        { db }: Database<StudyIndexTables>,
        settings: StudyIndexSettings,
        log: Logger,
      ): ObeyNote =>
      async (record) => {
        const note = rejectionNoteOf(record);
        if (!note) return;
        const patients = new PostgresIndexedPatients(db);
        const { hidden, refused } = await obeyNote(archive, patients, note, erasureGraceMs(settings));
        const fields = { study: note.studyInstanceUid, sop: note.sopInstanceUid, code: note.code };
        if (hidden > 0) log.info({ ...fields, instances: hidden }, 'rejection-note.obeyed');
        if (refused > 0) log.warn({ ...fields, instances: refused }, 'rejection-note.refused');
      },
  },
];
