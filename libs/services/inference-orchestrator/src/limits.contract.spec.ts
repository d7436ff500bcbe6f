import { worker } from '@callosum/contracts';
import { newId } from '@callosum/kernel';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { Status } from 'nice-grpc';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

import type { LabelMaps, Models } from './application/ports.js';
import { fresh } from './test-support/fixtures.js';
import { OrchestratorForTests, until } from './test-support/orchestrator.js';
import { held, WorkerForTests } from './test-support/worker.js';
import { LABEL_MAPS, MODELS } from './tokens.js';

const streamsMax = 4;
const modelsMax = 6;
const attemptMs = 4_000;
const grid = { columns: 8, rows: 8, slices: 6 };
const voxels = new Uint8Array(grid.columns * grid.rows * grid.slices);

let postgres: TestPostgres;
let orchestrator: OrchestratorForTests;
const workers: WorkerForTests[] = [];

beforeAll(async () => {
  postgres = await startPostgres();
  orchestrator = await OrchestratorForTests.start(postgres, {
    CALLOSUM_WORKER_STREAMS_MAX: String(streamsMax),
    CALLOSUM_MODELS_MAX: String(modelsMax),
    CALLOSUM_JOB_ATTEMPT_MS_MAX: String(attemptMs),
    CALLOSUM_JOB_LEASE_MS: '60000',
  });
});
afterEach(async () => {
  for (const one of workers.splice(0)) {
    one.close();
    await one.ended;
  }
});
afterAll(async () => {
  await orchestrator?.stop();
  await postgres?.stop();
});

function connected(): WorkerForTests {
  const one = new WorkerForTests(orchestrator.workerAddress);
  workers.push(one);
  return one;
}

async function registered(model: worker.Manifest): Promise<WorkerForTests> {
  const one = connected();
  one.register(model);
  await one.take('registered');
  return one;
}

/** An upload that has begun and goes no further: its header and one row of voxels, then silence. */
function stalledUpload(by: WorkerForTests, job: worker.HeldJob): Promise<unknown> {
  async function* parts() {
    yield { part: { $case: 'header' as const, value: { ...job, ...grid } } };
    yield { part: { $case: 'data' as const, value: new Uint8Array(grid.columns) } };
    await new Promise(() => undefined);
  }
  return by.client.writeLabelMap(parts()).then(
    () => 'stored',
    (error: unknown) => error,
  );
}

it('refuses streams beyond the limit, and takes one again when another has ended', async () => {
  const open = [];
  for (let i = 0; i < streamsMax; i++) open.push(await registered(fresh('one-model').model));
  const beyond = connected();
  expect(await beyond.ended).toMatchObject({ code: Status.RESOURCE_EXHAUSTED });
  open[0]?.close();
  await open[0]?.ended;
  await until('room for a stream', async () => {
    const one = connected();
    one.register(fresh('late').model);
    const answer = await Promise.race([one.ended, one.take('registered')]);
    return answer instanceof Error ? undefined : answer;
  });
});

it('takes back the place of a stream that never says what it is', { timeout: 30_000 }, async () => {
  const silent = connected();
  expect(await silent.ended).toMatchObject({ code: Status.DEADLINE_EXCEEDED });
});

it('refuses models beyond the limit, and forgets those nobody has served for long', async () => {
  const { db } = orchestrator.database;
  await sql`delete from model`.execute(db);
  const models = orchestrator.service.app.get<Models>(MODELS);
  const known = Array.from({ length: modelsMax }, () => fresh('known').model);
  for (const model of known) await models.register(model);
  const refused = connected();
  refused.register(fresh('beyond').model);
  expect(await refused.take('refusal')).toMatchObject({ jobId: '', code: 'too-many-models' });
  // One that is known already registers as ever.
  await models.register(known[0] ?? raise());
  const [old, oldWithJob, served] = known.slice(1).map((model) => model.model?.modelId ?? '');
  await sql`update model set seen_at = now() - interval '31 days' where model_id in (${old}, ${oldWithJob}, ${served})`.execute(
    db,
  );
  await sql`insert into job (id, study_instance_uid, study_revision, series_instance_uid, sop_instance_uids, input_digest,
      columns, rows, slices, model_id, model_version, evidence, state, next_attempt_at, ended_at)
    values (${newId()}, '1.2', 1, '1.2.1', '{}', 'd', 1, 1, 1, ${oldWithJob}, '1.0.0', '{}', 'failed', null, now())`.execute(
    db,
  );
  const [held] = (await models.registered()).filter(({ manifest: { model } }) => model.modelId === served);
  await models.seen(held?.manifest ?? raise());
  await models.retire();
  const current = (await models.registered()).map(({ manifest: { model } }) => model.modelId);
  expect(current).toHaveLength(modelsMax - 2);
  expect(current).toContain(served);
  const rows = await db.selectFrom('model').select('model_id').execute();
  // Its job refers to it.
  expect(rows.map(({ model_id }) => model_id)).toContain(oldWithJob);
  expect(rows.map(({ model_id }) => model_id)).not.toContain(old);
  await registered(fresh('room').model);
  // Kept by a release that had no such rule: one such row must not keep the others from their studies.
  await sql`update model set manifest = jsonb_set(manifest, '{model,name}', '"a\\tb"') where model_id = ${served}`.execute(
    db,
  );
  expect((await models.registered()).map(({ manifest: { model } }) => model.modelId)).toHaveLength(modelsMax - 2);
  await sql`delete from job`.execute(db);
  await sql`delete from model`.execute(db);
});

it('ends an upload with its attempt, allows a job few at once, and keeps nothing of them', async () => {
  const { model, bytes } = fresh('stalled');
  const one = await registered(model);
  await orchestrator.complete(bytes);
  const job = held(await one.takeOffer());
  const began = performance.now();
  // Four may begin, whichever they are; nobody tells which came first.
  const errors = await Promise.all(Array.from({ length: 5 }, () => stalledUpload(one, job)));
  expect(performance.now() - began).toBeLessThan(attemptMs + 6_000);
  const ends = errors.map((error) => /inference\.[a-z-]+/.exec(String(error))?.[0]).sort();
  expect(ends).toEqual([...Array.from({ length: 4 }, () => 'inference.attempt-over'), 'inference.too-many-transfers']);
  const left = [];
  for await (const { key } of orchestrator.objects.list(`default/results/${job.jobId}`)) left.push(key);
  expect(left).toEqual([]);
});

it('sweeps label maps without a row after a day, and nothing else', async () => {
  const { model, bytes } = fresh('sweep');
  const one = await registered(model);
  await orchestrator.complete(bytes);
  const job = held(await one.takeOffer());
  await one.writeLabelMap(job, grid, voxels);
  const stored = async (): Promise<string[]> => {
    const keys = [];
    for await (const { key } of orchestrator.objects.list('default/results/')) keys.push(key);
    return keys.sort();
  };
  const kept = await stored();
  const put = async (key: string): Promise<string> => {
    await orchestrator.objects.put(key, once(voxels));
    return key;
  };
  const artifact = await put(`default/results/${job.jobId}/abc.json`);
  const orphans = [
    await put(`default/results/${job.jobId}/${newId()}`),
    await put(`default/results/${newId()}/${newId()}`),
    await put(`default/results/${newId()}/abc.json`),
    await put('default/results/no-job/x'),
  ];
  const labelMaps = orchestrator.service.app.get<LabelMaps>(LABEL_MAPS);
  expect(await labelMaps.sweep(new Date())).toBe(0);
  expect(await labelMaps.sweep(new Date(Date.now() + 25 * 3_600_000))).toBe(orphans.length);
  expect(await stored()).toEqual([...kept, artifact].sort());
});

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

function raise(): never {
  throw new Error('absent');
}
