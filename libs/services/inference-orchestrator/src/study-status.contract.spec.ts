import { operations, topics, worker } from '@callosum/contracts';
import { sql } from 'kysely';
import { createChannel, createClient } from 'nice-grpc';
import { expect, it } from 'vitest';

import { fresh, simpleResult } from './test-support/fixtures.js';
import { eventTrace, until } from './test-support/orchestrator.js';
import { orchestrator, registered, useOrchestrator } from './test-support/use-orchestrator.js';
import { held } from './test-support/worker.js';
import { UpkeepLoop } from './transport/upkeep.loop.js';

useOrchestrator();

async function statusOf(studyInstanceUid: string): Promise<operations.GetStudyStatusResponse> {
  const channel = createChannel(orchestrator.service.grpcAddress);
  try {
    return await createClient(operations.StudyStatusServiceDefinition, channel).getStudyStatus({ studyInstanceUid });
  } finally {
    channel.close();
  }
}

/** What is told of the jobs, once the fact of the study was handled. */
const considered = (study: string) => until('the study', async () => (await statusOf(study)).inference);

it('tells a study’s jobs from the queue over the worker to the failure and the end', async () => {
  const { model, bytes } = fresh('status');
  const one = await registered(model);
  const study = await orchestrator.complete(bytes);
  const offer = await one.takeOffer();
  const running = await statusOf(study);
  expect(running).toMatchObject({ service: 'inference-orchestrator', traceIds: [eventTrace] });
  expect(running.inference).toMatchObject({ consideredRevision: 1, models: 1, jobsTotal: 1 });
  expect(running.inference?.jobs[0]).toMatchObject({
    jobId: offer.jobId,
    modelId: model.model?.modelId,
    state: 'running',
    attempts: 1,
    workerInstanceId: one.instanceId,
    endedAt: undefined,
  });
  expect(Date.parse(running.inference?.jobs[0]?.leaseUntil ?? '')).toBeGreaterThan(
    Date.parse(running.inference?.jobs[0]?.attemptStartedAt ?? ''),
  );

  const kind = worker.FailureKind.FAILURE_KIND_TRANSIENT;
  one.send({ $case: 'fail', value: { ...held(offer), kind, detail: 'Plantedname^Ann cannot be read' } });
  const again = await one.takeOffer();
  expect(again.attempt).toBe(2);
  const failed = await statusOf(study);
  expect(failed.inference?.jobs[0]?.attempts).toBe(2);
  expect(failed.inference?.jobs[0]?.errorCode).not.toBe('');
  expect(JSON.stringify(operations.GetStudyStatusResponse.toJSON(failed))).not.toMatch(/planted/i);

  one.send({ $case: 'complete', value: { ...held(again), result: simpleResult } });
  await one.take('accepted');
  await orchestrator.untilEvents(topics.jobCompleted, study);
  const [done] = (await statusOf(study)).inference?.jobs ?? [];
  expect(done).toMatchObject({ state: 'completed', leaseUntil: undefined });
  expect(done?.endedAt).toBeDefined();
});

it('tells that a study was considered and no model took it, and nothing of one it never heard of', async () => {
  const { bytes } = fresh('nobody');
  const study = await orchestrator.complete(bytes);
  expect(await considered(study)).toMatchObject({ consideredRevision: 1, jobs: [], jobsTotal: 0 });
  expect((await statusOf('1.2.3')).inference).toBeUndefined();
});

it('still knows a study that completed long ago', async () => {
  const study = await orchestrator.complete(fresh('long-ago').bytes);
  await considered(study);
  await sql`update study set completed_at = now() - interval '400 days' where study_instance_uid = ${study}`.execute(
    orchestrator.database.db,
  );
  const upkeep = orchestrator.service.app.get(UpkeepLoop) as unknown as { prunedAt: number; prune(): Promise<void> };
  upkeep.prunedAt = 0;
  await upkeep.prune();
  expect((await statusOf(study)).inference).toMatchObject({ consideredRevision: 1 });
});

it('keeps its answer bounded, what has not ended first', async () => {
  const { model, bytes } = fresh('many');
  const one = await registered(model);
  const study = await orchestrator.complete(bytes);
  const offer = await one.takeOffer();
  const { db } = orchestrator.database;
  const row = await db.selectFrom('job').selectAll().where('id', '=', offer.jobId).executeTakeFirstOrThrow();
  const copies = Array.from({ length: 120 }, (_, i) => ({
    ...row,
    id: crypto.randomUUID(),
    input_digest: `copy-${i}`,
    state: 'superseded' as const,
    lease_until: null,
    next_attempt_at: null,
    deadline_at: null,
    scheduled_at: new Date(),
    ended_at: new Date(),
  }));
  await db.insertInto('job').values(copies).execute();
  const { inference } = await statusOf(study);
  expect(inference).toMatchObject({ jobsTotal: 121 });
  expect(inference?.jobs).toHaveLength(100);
  expect(inference?.jobs[0]?.jobId).toBe(offer.jobId);
});
