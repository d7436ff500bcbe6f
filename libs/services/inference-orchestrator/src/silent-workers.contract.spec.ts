import { setTimeout as sleep } from 'node:timers/promises';

import { topics, type worker } from '@callosum/contracts';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { Status } from 'nice-grpc';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

import { fresh, simpleResult } from './test-support/fixtures.js';
import { OrchestratorForTests, timing, until } from './test-support/orchestrator.js';
import { held, WorkerForTests } from './test-support/worker.js';

let postgres: TestPostgres;
let orchestrator: OrchestratorForTests;
const workers: WorkerForTests[] = [];

beforeAll(async () => {
  postgres = await startPostgres();
  orchestrator = await OrchestratorForTests.start(postgres);
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

async function registered(model: worker.Manifest): Promise<WorkerForTests> {
  const one = new WorkerForTests(orchestrator.workerAddress);
  workers.push(one);
  one.register(model);
  await one.take('registered');
  return one;
}

const jobOf = (id: string) =>
  orchestrator.database.db
    .selectFrom('job')
    .select(['state', 'attempts', 'error_code', 'attempt_started_at'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();

const startOf = async (id: string): Promise<number> => (await jobOf(id)).attempt_started_at?.getTime() ?? Number.NaN;

/** Heartbeats that name no job: the worker lives, but has forgotten what it holds. */
function beating(one: WorkerForTests): () => void {
  const timer = setInterval(() => one.heartbeat(), timing.heartbeatMs);
  return () => clearInterval(timer);
}

const silent = { code: Status.FAILED_PRECONDITION, details: expect.stringContaining('worker-silent') as string };

it('costs its job one attempt, gets no other while it says nothing, and is told why its stream ends', async () => {
  const { model, bytes } = fresh('hung');
  const hung = await registered({ ...model, slots: 2 });
  const study = await orchestrator.complete(bytes);
  const offer = await hung.takeOffer();
  await hung.take('cancel');
  expect(await jobOf(offer.jobId)).toMatchObject({ state: 'queued', attempts: 1, error_code: 'lease-expired' });
  // It has slots, the job is due, and nobody else is there.
  expect(await hung.ended).toMatchObject(silent);
  expect(hung.received.filter(({ $case }) => $case === 'offer')).toEqual([]);
  expect(await jobOf(offer.jobId)).toMatchObject({ state: 'queued', attempts: 1 });
  const other = await registered(model);
  const again = await other.takeOffer();
  expect(again).toMatchObject({ jobId: offer.jobId, attempt: 2 });
  other.send({ $case: 'complete', value: { ...held(again), result: simpleResult } });
  await other.take('accepted');
  const [completed] = await orchestrator.untilEvents(topics.jobCompleted, study);
  expect(completed?.message.attempt).toBe(2);
});

it('gets jobs again once it speaks, the lost one only after others had the time of a lease to take it', async () => {
  const { model, bytes } = fresh('back');
  const one = await registered(model);
  await orchestrator.complete(bytes);
  const offer = await one.takeOffer();
  const startedAt = await startOf(offer.jobId);
  await one.take('cancel');
  const stop = beating(one);
  try {
    const again = await one.takeOffer();
    expect(again).toMatchObject({ jobId: offer.jobId, attempt: 2 });
    // Its own lease, never renewed, and that of the others.
    expect((await startOf(offer.jobId)) - startedAt).toBeGreaterThanOrEqual(timing.leaseMs * 2);
    one.send({ $case: 'complete', value: { ...held(again), result: simpleResult } });
    await one.take('accepted');
  } finally {
    stop();
  }
});

it('leaves the job it lost to a worker that is free, though its own slot is free as well', async () => {
  const { model, bytes } = fresh('two');
  const both = [await registered(model), await registered(model)] as const;
  const stops = both.map(beating);
  try {
    await orchestrator.complete(bytes);
    // Whichever is first loses it, by not naming it.
    const first = await Promise.race(both.map(async (one) => ({ one, offer: await one.takeOffer() })));
    const other = both[0] === first.one ? both[1] : both[0];
    await first.one.take('cancel');
    const again = await until('the offer', () => other.received.find(({ $case }) => $case === 'offer')?.value);
    expect(again).toMatchObject({ jobId: first.offer.jobId, attempt: 2 });
    expect(first.one.received.filter(({ $case }) => $case === 'offer')).toEqual([]);
  } finally {
    for (const stop of stops) stop();
  }
});

it('is ended when it loses one lease after the other, before it has used up the attempts', async () => {
  const { model, bytes } = fresh('forgetful');
  const forgetful = await registered(model);
  await orchestrator.complete(bytes);
  const offer = await forgetful.takeOffer();
  const stop = beating(forgetful);
  try {
    expect(await forgetful.ended).toMatchObject(silent);
  } finally {
    stop();
  }
  expect(await jobOf(offer.jobId)).toMatchObject({ state: 'queued', attempts: 2 });
  const other = await registered(model);
  const last = await other.takeOffer();
  expect(last).toMatchObject({ jobId: offer.jobId, attempt: 3 });
  other.send({ $case: 'complete', value: { ...held(last), result: simpleResult } });
  await other.take('accepted');
});

it('is not a worker that works and says no more than it must', async () => {
  const { model, bytes } = fresh('quiet');
  const one = await registered(model);
  // Nothing to do, and nothing said, for longer than any lease: it holds no job.
  await sleep(timing.leaseMs * 3);
  await orchestrator.complete(bytes);
  const offer = await one.takeOffer();
  one.send({ $case: 'complete', value: { ...held(offer), result: simpleResult } });
  expect(await one.take('accepted')).toEqual({ jobId: offer.jobId });
  expect(await Promise.race([one.ended, until('silence', () => 'open')])).toBe('open');
});
