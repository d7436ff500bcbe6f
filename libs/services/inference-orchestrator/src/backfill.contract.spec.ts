import { topics } from '@callosum/contracts';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

import { fresh } from './test-support/fixtures.js';
import { OrchestratorForTests, timing, until } from './test-support/orchestrator.js';
import { WorkerForTests } from './test-support/worker.js';

let postgres: TestPostgres;
let orchestrator: OrchestratorForTests;
const workers: WorkerForTests[] = [];

beforeAll(async () => {
  postgres = await startPostgres();
  orchestrator = await OrchestratorForTests.start(postgres);
});
afterEach(() => {
  orchestrator.index.studyDelayMs = 0;
  for (const one of workers.splice(0)) one.close();
});
afterAll(async () => {
  await orchestrator?.stop();
  await postgres?.stop();
});

async function registered(model: ReturnType<typeof fresh>['model']): Promise<WorkerForTests> {
  const one = new WorkerForTests(orchestrator.workerAddress);
  workers.push(one);
  one.register(model);
  await one.take('registered');
  return one;
}

/** Studies that completed a minute ago, all at one moment, and are unknown to the index by now unless it is told. */
async function completedEarlier(count: number, prefix: string): Promise<string[]> {
  const uids = Array.from({ length: count }, (_, i) => `${prefix}.${String(i + 1)}`);
  await sql`insert into study (study_instance_uid, revision, completed_at)
    select uid, 1, now() - interval '1 minute' from unnest(${uids}::text[]) as uid`.execute(orchestrator.database.db);
  return uids;
}

const backfillsLeft = async (): Promise<number> =>
  (
    await orchestrator.database.db
      .selectFrom('model')
      .select('model_id')
      .where('backfill_next_at', 'is not', null)
      .execute()
  ).length;

it('reaches every study in its portions, those of one moment too', async () => {
  const { model, bodyPart } = fresh('portions');
  await completedEarlier(45, '1.2.45');
  const studies = await Promise.all(
    Array.from({ length: 3 }, () => orchestrator.complete(fresh(bodyPart).series.map(({ bytes }) => bytes))),
  );
  await until('three studies', async () => {
    const rows = await orchestrator.database.db
      .selectFrom('study')
      .select('study_instance_uid')
      .where('study_instance_uid', 'in', studies)
      .execute();
    return rows.length === 3 || undefined;
  });
  await registered({ ...model, selection: { ...(model.selection ?? raise()), bodyParts: [] } });
  for (const study of studies) await orchestrator.untilEvents(topics.jobScheduled, study);
  await until('the end of the backfill', async () => (await backfillsLeft()) === 0 || undefined);
});

it('keeps no lost job waiting while it goes on', async () => {
  const { model, bytes } = fresh('lost');
  const silent = await registered(model);
  await orchestrator.complete(bytes);
  const first = await silent.takeOffer();
  // Otherwise its own free slot may be offered the job again.
  silent.close();
  await completedEarlier(60, '1.2.60');
  orchestrator.index.studyDelayMs = 500;
  await registered(fresh('newcomer').model);
  const replacement = await registered(model);
  const began = performance.now();
  const second = await replacement.takeOffer();
  expect([second.jobId, second.attempt]).toEqual([first.jobId, 2]);
  // Sixty studies take half a minute; the lease a second and a half.
  expect(performance.now() - began).toBeLessThan(timing.leaseMs + 15_000);
  expect(await backfillsLeft()).toBeGreaterThan(0);
});

it('ends with the service after the study it is at', async () => {
  await completedEarlier(60, '1.2.61');
  orchestrator.index.studyDelayMs = 500;
  const other = await orchestrator.replica();
  await registered(fresh('last').model);
  await until('a backfill', async () => (await backfillsLeft()) > 0 || undefined);
  const began = performance.now();
  await other.close();
  await orchestrator.service.close();
  expect(performance.now() - began).toBeLessThan(10_000);
});

function raise(): never {
  throw new Error('absent');
}
