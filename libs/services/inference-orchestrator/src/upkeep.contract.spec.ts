import { topics, worker } from '@callosum/contracts';
import { ObjectNotFoundError } from '@callosum/object-store';
import { sql } from 'kysely';
import { createChannel, createClient } from 'nice-grpc';
import { expect, it } from 'vitest';

import type { StoredLabelMaps } from './adapters/label-maps.js';
import { fresh, sct, simpleResult } from './test-support/fixtures.js';
import { addressOf, until } from './test-support/orchestrator.js';
import { orchestrator, registered, useOrchestrator } from './test-support/use-orchestrator.js';
import { held, type WorkerForTests } from './test-support/worker.js';
import { LABEL_MAPS } from './tokens.js';

useOrchestrator();

it.each([
  ['what waits for an old version', false],
  ['what an old version took and lost', true],
])('gives %s to the new one, however long ago the study came', async (_what, taken) => {
  const { model, bytes } = fresh('upgrade');
  const old = await registered(model);
  if (!taken) await old.leave();
  const study = await orchestrator.complete(bytes);
  await orchestrator.untilEvents(topics.jobScheduled, study);
  if (taken) await old.takeOffer();
  // Longer ago than any backfill reaches.
  await sql`update study set completed_at = now() - interval '3 days' where study_instance_uid = ${study}`.execute(
    orchestrator.database.db,
  );
  const identity = { ...(model.model ?? raise()), version: '2.0.0' };
  const upgraded = await registered({ ...model, model: identity });
  await old.leave();
  const offer = await upgraded.takeOffer();
  expect(offer.studyInstanceUid).toBe(study);
  upgraded.send({ $case: 'complete', value: { ...held(offer), result: simpleResult } });
  await upgraded.take('accepted');
  const [completed] = await orchestrator.untilEvents(topics.jobCompleted, study);
  expect(completed?.message.model?.version).toBe('2.0.0');
});

it('never gives one job to two workers, nor a worker more than its slots', async () => {
  const { model, bytes } = fresh('slots');
  // No lease ends while this test runs, however slowly: what is offered twice is offered wrongly.
  const replica = await orchestrator.replica({ CALLOSUM_JOB_LEASE_MS: '600000' });
  try {
    const address = addressOf(replica);
    const both = [
      await registered({ ...model, slots: 2 }, { address }),
      await registered({ ...model, slots: 2 }, { address }),
    ];
    const others = Array.from({ length: 5 }, () => fresh('slots'));
    const studies = [bytes, ...others.map(({ series }) => series.map(({ bytes: own }) => own))];
    // Same body part, so that the one model reads them all.
    await registeredAsAny(model);
    const uids = await Promise.all(studies.map((instances) => orchestrator.complete(instances)));
    await Promise.all(uids.map((uid) => orchestrator.untilEvents(topics.jobScheduled, uid)));
    await until('four offers', () => offersOf(both).length >= 4 || undefined);
    // Last in the line, it is offered a job only after both had their turn; what they were offered stands before the answer.
    const last = fresh('last');
    const other = await registered(last.model, { address });
    await orchestrator.complete(last.bytes);
    await other.takeOffer();
    for (const one of both) {
      one.heartbeat();
      await one.take('heartbeatAck');
    }
    expect(both.map((one) => offersOf([one]).length)).toEqual([2, 2]);
    expect(new Set(offersOf(both)).size).toBe(4);
  } finally {
    await replica.close();
  }
});

it('removes label maps no accepted result names, and keeps the one it does', async () => {
  const { model, bytes } = fresh('prune');
  const one = await registered(model);
  const study = await orchestrator.complete(bytes);
  const offer = await one.takeOffer();
  const grid = { columns: 8, rows: 8, slices: 6 };
  await one.writeLabelMap(held(offer), grid, new Uint8Array(8 * 8 * 6));
  const sha256 = await one.writeLabelMap(held(offer), grid, new Uint8Array(8 * 8 * 6).fill(1));
  const segment = { number: 1, label: 'Lung', category: sct('1', 'a'), type: sct('2', 'b') };
  const result = { ...simpleResult, labelMaps: [{ ...grid, sha256, artifactKey: 'mine', segments: [segment] }] };
  one.send({
    $case: 'complete',
    value: worker.CompleteJob.fromPartial({ ...held(offer), result }),
  });
  await one.take('accepted');
  const { db } = orchestrator.database;
  const rows = await db.selectFrom('label_map').selectAll().where('job_id', '=', offer.jobId).execute();
  const labelMaps = orchestrator.service.app.get<StoredLabelMaps>(LABEL_MAPS);
  await labelMaps.prune();
  expect(rows).toHaveLength(2);
  await sql`update job set ended_at = now() - interval '1 hour' where id = ${offer.jobId}`.execute(db);
  expect(await labelMaps.prune()).toBe(1);
  const [completed] = await orchestrator.untilEvents(topics.jobCompleted, study);
  const kept = (await orchestrator.resultOf(completed?.message)).labelMaps[0]?.artifactKey ?? '';
  expect(kept).not.toBe('mine');
  await orchestrator.objects.head(kept);
  const gone = rows.find(({ object_key }) => object_key !== kept)?.object_key ?? '';
  await expect(orchestrator.objects.head(gone)).rejects.toThrow(ObjectNotFoundError);
});

it('ends a stream of bytes that are no message, and no other', async () => {
  const { model, bytes } = fresh('garbage');
  const one = await registered(model);
  const { connect } = worker.WorkerServiceDefinition.methods;
  const garbled = {
    ...worker.WorkerServiceDefinition,
    methods: {
      connect: {
        ...connect,
        requestType: { ...connect.requestType, encode: () => ({ finish: () => Uint8Array.of(0x0a, 0xff, 0xff) }) },
      },
    },
  };
  const channel = createChannel(orchestrator.workerAddress);
  const client = createClient(garbled as unknown as typeof worker.WorkerServiceDefinition, channel);
  async function* frames() {
    await Promise.resolve();
    yield {};
  }
  await expect(
    (async () => {
      for await (const message of client.connect(frames())) expect(message).toBeUndefined();
    })(),
  ).rejects.toThrow();
  channel.close();
  await orchestrator.complete(bytes);
  expect((await one.takeOffer()).attempt).toBe(1);
});

/** Lets the model read any body part from now on. */
async function registeredAsAny(model: worker.Manifest): Promise<void> {
  const selection = { ...(model.selection ?? raise()), bodyParts: [] };
  const registrar = await registered({ ...model, selection });
  await registrar.leave();
}

const offersOf = (some: readonly WorkerForTests[]): string[] =>
  some.flatMap(({ received }) =>
    received.flatMap((message) => (message.$case === 'offer' ? [message.value.jobId] : [])),
  );

function raise(): never {
  throw new Error('absent');
}
