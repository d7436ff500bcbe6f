import { type Archive, ByteBudget } from '@callosum/archive';
import type { Database } from '@callosum/database';
import type { Outbox } from '@callosum/event-log';
import type { Clock } from '@callosum/kernel';
import { ARCHIVE, CLOCK, DATABASE, LOGGER, OUTBOX, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { Module } from '@nestjs/common';

import { ArchiveSource } from './adapters/archive-source.js';
import { PostgresCompletionStore } from './adapters/completion.js';
import { PostgresFactStore } from './adapters/fact-store.js';
import { PostgresIndexQueries } from './adapters/queries.js';
import { PostgresReindexTarget } from './adapters/reindex-target.js';
import { PostgresSearchStore } from './adapters/search.js';
import { PostgresStudyTexts } from './adapters/study-text.js';
import type { StudyIndexTables } from './adapters/tables.js';
import type { ObeyNote } from './application/obey-note.js';
import { headerBytesMax, headerBytesOf, type HeaderMemory, readInstance } from './application/read-instance.js';
import { Reindex } from './application/reindex.js';
import type { StatedLimits } from './domain/completeness.js';
import { type QuietPeriods, quietPeriods } from './domain/study.js';
import type { StudyIndexSettings } from './settings.js';
import {
  BLOBS,
  COMPLETION,
  FACTS,
  HEADER_MEMORY,
  OBEY_NOTE,
  QUIET_PERIODS,
  STATED_LIMITS,
  STUDY_TEXTS,
} from './tokens.js';
import { tombstoneProviders } from './tombstones.providers.js';
import { CompletionLoop } from './transport/completion.loop.js';
import { ImagingEvents } from './transport/imaging.events.js';
import { TombstoneEvents } from './transport/tombstones.events.js';
import { TombstonesHttp } from './transport/tombstones.http.js';
import { StudyIndexGrpc } from './transport/study-index.grpc.js';
import { StudyTextLoop } from './transport/study-text.loop.js';

@Module({
  controllers: [ImagingEvents, TombstoneEvents, TombstonesHttp],
  providers: [
    ...tombstoneProviders,
    CompletionLoop,
    StudyTextLoop,
    {
      provide: STUDY_TEXTS,
      inject: [DATABASE],
      useFactory: ({ db }: Database<StudyIndexTables>) => new PostgresStudyTexts(db),
    },
    {
      provide: QUIET_PERIODS,
      inject: [SETTINGS],
      useFactory: (settings: StudyIndexSettings) =>
        quietPeriods(settings.CALLOSUM_QUIET_PERIOD_MS, settings.CALLOSUM_RELEASED_QUIET_PERIOD_MS),
    },
    {
      provide: STATED_LIMITS,
      inject: [SETTINGS],
      useFactory: (settings: StudyIndexSettings): StatedLimits => ({
        openStepMs: settings.CALLOSUM_PROCEDURE_STEP_HOLD_MS,
        missingMs: settings.CALLOSUM_STATED_INSTANCES_HOLD_MS,
      }),
    },
    { provide: BLOBS, inject: [ARCHIVE], useFactory: (archive: Archive) => new ArchiveSource(archive) },
    { provide: HEADER_MEMORY, useFactory: (): HeaderMemory => new ByteBudget(headerBytesMax) },
    {
      provide: COMPLETION,
      inject: [DATABASE, OUTBOX, CLOCK, QUIET_PERIODS, ARCHIVE, STATED_LIMITS],
      useFactory: (
        { db }: Database<StudyIndexTables>,
        outbox: Outbox,
        clock: Clock,
        { quietPeriodMs }: QuietPeriods,
        archive: Archive,
        limits: StatedLimits,
      ) => new PostgresCompletionStore(db, outbox, clock, quietPeriodMs, archive, limits),
    },
    {
      provide: FACTS,
      inject: [DATABASE, OUTBOX, CLOCK, QUIET_PERIODS],
      useFactory: (
        database: Database<StudyIndexTables>,
        outbox: Outbox,
        clock: Clock,
        { releasedQuietPeriodMs }: QuietPeriods,
      ) => new PostgresFactStore(database, outbox, clock, releasedQuietPeriodMs),
    },
    {
      provide: Reindex,
      inject: [BLOBS, DATABASE, OUTBOX, CLOCK, QUIET_PERIODS, LOGGER, OBEY_NOTE, HEADER_MEMORY],
      useFactory: (
        source: ArchiveSource,
        { db }: Database<StudyIndexTables>,
        outbox: Outbox,
        clock: Clock,
        periods: QuietPeriods,
        log: Logger,
        obeyNote: ObeyNote,
        memory: HeaderMemory,
      ) =>
        new Reindex(
          source,
          async (stored) => {
            const record = await memory.hold(headerBytesOf(stored), () => readInstance(source, stored));
            await obeyNote(record);
            return record;
          },
          new PostgresReindexTarget(db, outbox, clock, periods),
          ({ sopInstanceUid }, code) => log.warn({ sop: sopInstanceUid, code }, 'reindex.instance-failed'),
        ),
    },
    {
      provide: StudyIndexGrpc,
      inject: [DATABASE, Reindex, ARCHIVE],
      useFactory: ({ db }: Database<StudyIndexTables>, reindex: Reindex, { tombstones }: Archive) =>
        new StudyIndexGrpc(new PostgresIndexQueries(db), new PostgresSearchStore(db), reindex, tombstones),
    },
  ],
})
export class StudyIndexModule {}
