import { setTimeout as sleep } from 'node:timers/promises';

import { imaging, topics } from '@callosum/contracts';
import { connect, type Database, migrate } from '@callosum/database';
import type { DicomJson } from '@callosum/dicom';
import { eventTablesMigrations, operationsMigrations, operationsSet, PostgresOutbox } from '@callosum/event-log';
import { systemClock } from '@callosum/kernel';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll } from 'vitest';

import { PostgresCompletionStore } from '../adapters/completion.js';
import { PostgresIndexTransaction } from '../adapters/index-transaction.js';
import { studyIndexMigrations } from '../adapters/migrations.js';
import { PostgresIndexQueries } from '../adapters/queries.js';
import { PostgresReindexTarget } from '../adapters/reindex-target.js';
import { PostgresSearchStore } from '../adapters/search.js';
import type { StudyIndexTables } from '../adapters/tables.js';
import {
  type AcknowledgedInstances,
  completeDueStudies,
  type HeldStudy,
  type WaitingStudy,
} from '../application/complete-studies.js';
import { indexInstance, type IndexOutcome } from '../application/index-instance.js';
import { readInstance } from '../application/read-instance.js';
import { Reindex } from '../application/reindex.js';
import { planSearch } from '../application/search-plan.js';
import { search } from '../application/search.js';
import { recordProcedureStep, type StepOutcome } from '../application/statements.js';
import type { StoredInstance } from '../domain/instance.js';
import type { ProcedureStep } from '../domain/procedure-step.js';
import { StudyIndexGrpc } from '../transport/study-index.grpc.js';
import { forgetObjects, ledger, reader, type Sent, store } from './objects.js';

// For this package's own specs: the index on a real PostgreSQL.

/** Long: no deadline passes while a test runs, unless it lets time pass. */
export const periods = { quietPeriodMs: 3_600_000, releasedQuietPeriodMs: 600_000 };

/** How long procedure steps hold a study back. */
export const limits = { openStepMs: 1_200_000, missingMs: 300_000 };

export let database: Database<StudyIndexTables>;
const outbox = new PostgresOutbox({ service: 'study-index' });

/** A fresh index in an empty database, for the tests of the file or block that calls it. */
export function useIndex(): void {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
    database = connect<StudyIndexTables>(await postgres.createDatabase(), 'public', () => undefined);
    await migrate(database.db as never, 'public', { ...eventTablesMigrations, ...studyIndexMigrations });
    await migrate(database.db as never, 'public', operationsMigrations, { set: operationsSet });
  });
  afterAll(async () => {
    await database?.close();
    await postgres?.stop();
  });
}

export async function clearIndex(): Promise<void> {
  await sql`truncate outbox, inbox, parked, dropped, patient, study, series, instance, release, revision,
    procedure_step, withheld_instance, awaited_rejection cascade`.execute(database.db);
  forgetObjects();
  waiting.length = 0;
  held.length = 0;
  hidden.clear();
}

/** @param before what happens when all is done but the commit */
export async function index(
  stored: StoredInstance,
  before: () => Promise<void> = () => Promise.resolve(),
): Promise<IndexOutcome> {
  const record = await readInstance(reader, stored);
  return database.db.transaction().execute(async (trx) => {
    const outcome = await indexInstance(new PostgresIndexTransaction(trx, outbox, systemClock), record, periods);
    await before();
    return outcome;
  });
}
export const send = (bytes: Uint8Array, sent: Sent = {}): Promise<IndexOutcome> => index(store(bytes, sent));

/** A fact about a procedure step is handled. @param before what happens when all is done but the commit */
export const tellStep = (
  studyInstanceUid: string,
  step: ProcedureStep,
  before: () => Promise<void> = () => Promise.resolve(),
): Promise<StepOutcome> =>
  database.db.transaction().execute(async (trx) => {
    const outcome = await recordProcedureStep(
      new PostgresIndexTransaction(trx, outbox, systemClock),
      studyInstanceUid,
      step,
    );
    await before();
    return outcome;
  });

/** Resolves when `work` is done, or waits for a lock that another transaction holds. */
export async function doneOrBlocked(work: Promise<unknown>): Promise<void> {
  const state = { done: false };
  void work.finally(() => (state.done = true));
  while (!state.done) {
    const { rows } = await sql`select 1 from pg_locks where not granted`.execute(database.db);
    if (rows.length > 0) return;
    await sleep(5);
  }
}

/** The archive's own specs show that it answers so. */
export const acknowledged = {
  sourceInstancesOf: (studyInstanceUid: string) =>
    Promise.resolve(
      [...ledger.values()]
        .filter((stored) => stored.studyInstanceUid === studyInstanceUid && !stored.issuedByCallosum)
        .map(({ sopInstanceUid, instanceRevision, storedAt }) => ({
          sopInstanceUid,
          revision: instanceRevision,
          storedAt,
        })),
    ),
};

export const completion = (archive: AcknowledgedInstances = acknowledged) =>
  new PostgresCompletionStore(database.db, outbox, systemClock, periods.quietPeriodMs, archive, limits);

/** Deadlines are rows, so time passes for them by moving them. */
export async function letPass(ms: number): Promise<void> {
  const ago = sql`make_interval(secs => ${ms / 1_000}::float8)`;
  await sql`update study set quiet_until = quiet_until - ${ago}, waiting_since = waiting_since - ${ago},
    waiting_told_at = waiting_told_at - ${ago}, held_since = held_since - ${ago}`.execute(database.db);
}

/** Studies that sweeps found waiting since the index was emptied. */
export const waiting: WaitingStudy[] = [];
/** And those that their procedure steps held back. */
export const held: HeldStudy[] = [];
export const sweep = (): Promise<number> =>
  completeDueStudies(
    completion(),
    () => undefined,
    (study) => waiting.push(study),
    ({ error }) => {
      throw error;
    },
    (study) => held.push(study),
  );

/** The quiet period passes, and the study completes. */
export async function complete(): Promise<void> {
  await letPass(periods.quietPeriodMs);
  if ((await sweep()) === 0) throw new Error('the study did not complete');
}

interface Told {
  readonly topic: string;
  readonly value: Record<string, unknown>;
}

/** Everything told since the last look, series included. */
export async function allEvents(): Promise<Told[]> {
  const { rows } = await sql<{ topic: string; value: string }>`select topic, value from outbox order by id`.execute(
    database.db,
  );
  await sql`truncate outbox`.execute(database.db);
  return rows.map(({ topic, value }) => ({ topic, value: JSON.parse(value) as Record<string, unknown> }));
}
/** What was told of studies. */
export const events = async (): Promise<Told[]> =>
  (await allEvents()).filter(({ topic }) => topic !== topics.seriesCompleted.name);
export const changes = async (): Promise<unknown[]> =>
  (await events()).map(({ topic, value }) =>
    topic === 'imaging.study.completed.v1'
      ? `completed ${String(value['revision'])}`
      : `${(value['changes'] as string[]).map((change) => change.replace('STUDY_CHANGE_', '').toLowerCase()).join('+')} ${String(value['revision'])}`,
  );

/** As the object store counts them. */
let recoveries = 0;

export const reindex = () =>
  new Reindex(
    {
      count: () => Promise.resolve(ledger.size),
      current: async function* () {
        await Promise.resolve();
        yield* ledger.values();
      },
      // The archive's own specs show it; here its ledger is whole.
      reconcile: async function* () {
        await Promise.resolve();
        yield { examined: ledger.size, recovered: 0, unreadable: 0 };
      },
      nextRevisionFloor: () => Promise.resolve(++recoveries * 100_000),
    },
    (stored) => readInstance(reader, stored),
    new PostgresReindexTarget(database.db, outbox, systemClock, periods),
    () => undefined,
  );

/** SOP Instance UIDs that the archive hides and the index does not know to be. */
export const hidden = new Set<string>();
export const hiddenInArchive = {
  withheldAmong: (_study: string, uids: readonly string[]) =>
    Promise.resolve(new Set(uids.filter((u) => hidden.has(u)))),
};
export const grpc = () =>
  new StudyIndexGrpc(
    new PostgresIndexQueries(database.db),
    new PostgresSearchStore(database.db),
    reindex(),
    hiddenInArchive,
  );

export type Asked = Partial<imaging.SearchRequest> & { level: imaging.QueryLevel };
export const searchRequest = (asked: Asked): imaging.SearchRequest => imaging.SearchRequest.fromPartial(asked);

export async function find(asked: Asked): Promise<DicomJson[]> {
  return collect(search(new PostgresSearchStore(database.db), planSearch(searchRequest(asked))));
}

export async function collect<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const row of rows) all.push(row);
  return all;
}
