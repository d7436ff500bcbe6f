import { createHash } from 'node:crypto';

import { inference, topics, worker } from '@callosum/contracts';
import { type Attributes, buildVolume, decodeFrames, parseFile } from '@callosum/dicom';
import { newId } from '@callosum/kernel';
import { generateThoraxPhantom, tinyCt, tinySeries } from '@callosum/phantom';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { startNodeSdk } from '@opentelemetry/sdk-node';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { fresh, measurement, sct, simpleResult } from './test-support/fixtures.js';
import { addressOf, eventTrace, failures, OrchestratorForTests, timing, until } from './test-support/orchestrator.js';
import { held, manifest, WorkerForTests } from './test-support/worker.js';

const spans = new InMemorySpanExporter();
const sdk = startNodeSdk({
  propagators: [new W3CTraceContextPropagator()],
  spanProcessors: [new SimpleSpanProcessor({ exporter: spans })],
  metricReaders: [],
  logRecordProcessors: [],
  instrumentations: [],
});

let postgres: TestPostgres;
let orchestrator: OrchestratorForTests;
const workers: WorkerForTests[] = [];

beforeAll(async () => {
  postgres = await startPostgres();
  orchestrator = await OrchestratorForTests.start(postgres);
});
afterEach(() => {
  for (const one of workers.splice(0)) one.close();
});
afterAll(async () => {
  await orchestrator?.stop();
  await postgres?.stop();
  await sdk.shutdown();
});

function connect(instanceId?: string, address = orchestrator.workerAddress): WorkerForTests {
  const one = new WorkerForTests(address, instanceId);
  workers.push(one);
  return one;
}

const registered = async (given: worker.Manifest, instanceId?: string): Promise<WorkerForTests> => {
  const one = connect(instanceId);
  one.register(given);
  await one.take('registered');
  return one;
};

describe('a study through a model', () => {
  it('goes to the worker as a volume and comes back as an event, in one trace', async () => {
    const { study } = generateThoraxPhantom({ slices: 12, matrix: 48, shuffled: true, uidSalt: newId() });
    const model = manifest(`path-${newId().slice(0, 8)}`);
    const one = await registered(model);
    await orchestrator.complete(study.instances.map(({ bytes }) => bytes));

    const offer = await one.takeOffer();
    expect(offer).toMatchObject({
      studyInstanceUid: study.studyInstanceUid,
      seriesInstanceUid: study.axialSeriesUid,
      attempt: 1,
      fencingToken: 1n,
      deadline: { seconds: 1800n },
    });
    expect(offer.traceparent.split('-')[1]).toBe(eventTrace);
    one.send({ $case: 'accept', value: held(offer) });

    const { header, data, chunkBytesMax } = await one.readVolume(held(offer));
    const axial = study.instances.filter(({ seriesInstanceUid }) => seriesInstanceUid === study.axialSeriesUid);
    const expected = buildVolume(
      await Promise.all(
        axial.map(async ({ bytes }) => {
          const file = parseFile(bytes);
          const [frame] = await decodeFrames(file);
          if (!frame) throw new Error('no frame');
          return { header: file.dataset, samples: frame.samples };
        }),
      ),
    );
    expect(header).toMatchObject({
      columns: 48,
      rows: 48,
      slices: 12,
      affine: expected.header.affine,
      sopInstanceUids: expected.header.sopInstanceUids,
      byteCount: BigInt(data.length),
      patientPosition: 'HFS',
    });
    expect(data.equals(Buffer.from(expected.data.buffer))).toBe(true);
    expect(chunkBytesMax).toBeLessThanOrEqual(1024 * 1024);

    const voxels = new Uint8Array(48 * 48 * 12);
    voxels[77] = 1;
    const sha256 = await one.writeLabelMap(held(offer), header, voxels);
    expect(sha256).toBe(createHash('sha256').update(voxels).digest('hex'));
    const result = inference.InferenceResult.fromPartial({
      measurements: [{ ...measurement, segmentNumber: 1 }],
      labelMaps: [
        {
          columns: 48,
          rows: 48,
          slices: 12,
          sha256,
          segments: [
            {
              number: 1,
              label: 'Lung',
              category: sct('123037004', 'Anatomical Structure'),
              type: sct('39607008', 'Lung'),
              laterality: 'B',
            },
          ],
        },
      ],
    });
    one.send({ $case: 'complete', value: { ...held(offer), result } });
    expect(await one.take('accepted')).toEqual({ jobId: offer.jobId });

    const [scheduled] = await orchestrator.untilEvents(topics.jobScheduled, study.studyInstanceUid);
    expect(scheduled?.message.selectionEvidence).toEqual(
      expect.arrayContaining([
        `${study.axialSeriesUid} taken`,
        `${study.localizerSeriesUid} localizer-image-type`,
        `${study.coronalSeriesUid} orientation`,
      ]),
    );
    const [completed, ...more] = await orchestrator.untilEvents(topics.jobCompleted, study.studyInstanceUid);
    expect(more).toEqual([]);
    expect(completed?.message).toMatchObject({ jobId: offer.jobId, model: model.model, attempt: 1 });
    expect(completed?.message.input?.sopInstanceUids).toEqual(expected.header.sopInstanceUids);
    expect(completed?.correlation_id).toBe(`correlation of ${study.studyInstanceUid}`);
    expect(completed?.traceparent.split('-')[1]).toBe(eventTrace);
    expect(completed?.message.result).toBeUndefined();
    const [map] = (await orchestrator.resultOf(completed?.message)).labelMaps;
    expect(map?.artifactKey).toMatch(new RegExp(`^default/results/${offer.jobId}/`));
    expect((await orchestrator.objects.head(map?.artifactKey ?? '')).byteCount).toBe(voxels.length);
    const names = spans.getFinishedSpans().filter((span) => span.spanContext().traceId === eventTrace);
    expect(names.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['schedule jobs', 'offer job', 'read volume', 'write label map', 'accept result']),
    );
  });
});

describe("a worker's own trace context", () => {
  const workerSpan = 'b7ad6b7169203331';
  const foreignTrace = '0af7651916cd43dd8448eb211c80319c';
  const spansOf = (name: string, jobId: string) =>
    spans.getFinishedSpans().filter((span) => span.name === name && span.attributes['callosum.job'] === jobId);

  it.each([
    ['of the same trace', eventTrace, '01'],
    ['of a foreign trace that asks not to be sampled', foreignTrace, '00'],
  ])('%s is what the accepted result links to, and never its parent', async (_what, traceId, flags) => {
    const { model, bytes } = fresh('linked');
    const one = await registered(model);
    const study = await orchestrator.complete(bytes);
    const offer = await one.takeOffer();
    const traceparent = `00-${traceId}-${workerSpan}-${flags}`;
    one.send({ $case: 'complete', value: { ...held(offer), result: simpleResult, traceparent } });
    await one.take('accepted');
    const [accepted] = spansOf('accept result', offer.jobId);
    expect(accepted?.links.map(({ context }) => [context.traceId, context.spanId])).toEqual([[traceId, workerSpan]]);
    expect(accepted?.spanContext().traceId).toBe(eventTrace);
    expect(accepted?.parentSpanContext?.spanId).not.toBe(workerSpan);
    // What follows stays in the study's trace too.
    const [completed] = await orchestrator.untilEvents(topics.jobCompleted, study);
    expect(completed?.traceparent).toBe(`00-${eventTrace}-${accepted?.spanContext().spanId}-01`);
  });

  it('is linked to from the end of a failed attempt', async () => {
    const { model, bytes } = fresh('failed-link');
    const one = await registered(model);
    await orchestrator.complete(bytes);
    const offer = await one.takeOffer();
    const kind = worker.FailureKind.FAILURE_KIND_INPUT_UNUSABLE;
    const traceparent = `00-${eventTrace}-${workerSpan}-01`;
    one.send({ $case: 'fail', value: { ...held(offer), kind, detail: 'x', traceparent } });
    const [ended] = await until('the span', () => {
      const found = spansOf('end attempt', offer.jobId);
      return found.length > 0 ? found : undefined;
    });
    expect(ended?.links.map(({ context }) => context.spanId)).toEqual([workerSpan]);
  });

  it.each([
    ['a name', 'Plantedname^Ann'],
    ['a megabyte', '0'.repeat(1_000_000)],
  ])('costs no result when it is %s, and is in no span', async (_what, traceparent) => {
    const { model, bytes } = fresh('hostile');
    const one = await registered(model);
    await orchestrator.complete(bytes);
    const offer = await one.takeOffer();
    one.send({ $case: 'complete', value: { ...held(offer), result: simpleResult, traceparent } });
    await one.take('accepted');
    const [accepted] = spansOf('accept result', offer.jobId);
    expect(accepted?.links).toEqual([]);
    expect(JSON.stringify(accepted?.attributes)).not.toContain(traceparent.slice(0, 15));
  });
});

describe('leases', () => {
  it('offers a job again with a higher token when its worker went silent, and refuses the old one', async () => {
    const { model, bytes } = fresh('lease');
    const silent = await registered(model);
    const study = await orchestrator.complete(bytes);
    const first = await silent.takeOffer();
    const other = await registered(model);
    const second = await other.takeOffer();
    expect(second.jobId).toBe(first.jobId);
    // The silent worker's stream is open, its slot free again: it gets nothing until it is heard.
    expect(second.fencingToken).toBe(first.fencingToken + 1n);

    silent.send({ $case: 'complete', value: { ...held(first), result: simpleResult } });
    expect(await silent.take('refusal')).toMatchObject({ jobId: first.jobId, code: 'stale-fencing-token' });
    await expect(silent.readVolume(held(first))).rejects.toThrow(/stale-fencing-token/);
    other.send({ $case: 'complete', value: { ...held(second), result: simpleResult } });
    await other.take('accepted');
    const events = await orchestrator.untilEvents(topics.jobCompleted, study);
    expect(events.map(({ message }) => message.attempt)).toEqual([second.attempt]);
  });

  it('keeps a job with a worker that heartbeats', async () => {
    const { model, bytes } = fresh('heartbeat');
    const one = await registered(model);
    await orchestrator.complete(bytes);
    const offer = await one.takeOffer();
    const until_ = Date.now() + timing.leaseMs * 2;
    while (Date.now() < until_) {
      one.heartbeat(held(offer));
      expect(await one.take('heartbeatAck')).toEqual({ lostJobIds: [] });
      await new Promise((resolve) => setTimeout(resolve, timing.heartbeatMs));
    }
    one.send({ $case: 'complete', value: { ...held(offer), result: simpleResult } });
    await one.take('accepted');
  });

  it('lets a worker that reconnects to another replica go on, and only with its own token', async () => {
    const { model, bytes } = fresh('resume');
    const one = await registered(model);
    const study = await orchestrator.complete(bytes);
    const offer = await one.takeOffer();
    one.close();
    const replica = await orchestrator.replica();
    try {
      const thief = connect('thief', addressOf(replica));
      thief.register(model, [held(offer)]);
      expect((await thief.take('registered')).resumedJobIds).toEqual([]);
      thief.close();
      const again = connect(one.instanceId, addressOf(replica));
      again.register(model, [held(offer), { jobId: newId(), fencingToken: 1n }]);
      expect((await again.take('registered')).resumedJobIds).toEqual([offer.jobId]);
      again.send({ $case: 'complete', value: { ...held(offer), result: simpleResult } });
      await again.take('accepted');
      again.close();
    } finally {
      await replica.close();
    }
    expect(await orchestrator.untilEvents(topics.jobCompleted, study)).toHaveLength(1);
  });

  it('fails a job for good after its attempts', async () => {
    const { model, bytes } = fresh('exhaust');
    const one = await registered(model);
    const study = await orchestrator.complete(bytes);
    for (let attempt = 1; attempt <= 3; attempt++) {
      const offer = await one.takeOffer();
      expect(offer.attempt).toBe(attempt);
      one.send({
        $case: 'fail',
        value: { ...held(offer), kind: worker.FailureKind.FAILURE_KIND_TRANSIENT, detail: 'out of memory' },
      });
    }
    const [failed] = await orchestrator.untilEvents(topics.jobFailed, study);
    expect(failed?.message).toMatchObject({
      reason: failures.JOB_FAILURE_REASON_ATTEMPTS_EXHAUSTED,
      attempts: 3,
      detail: '',
    });
    expect(await orchestrator.artifact(failed?.message.detailArtifact)).toEqual({ detail: 'out of memory' });
  });

  it('takes a job from a worker that heartbeats past the deadline', async () => {
    const { model, bytes } = fresh('deadline');
    const one = await registered({ ...model, attemptDurationMax: { seconds: 1n, nanos: 0 } });
    await orchestrator.complete(bytes);
    const offer = await one.takeOffer();
    await until('the loss', async () => {
      one.heartbeat(held(offer));
      return (await one.take('heartbeatAck')).lostJobIds.includes(offer.jobId) || undefined;
    });
    expect((await one.takeOffer()).fencingToken).toBe(offer.fencingToken + 1n);
  });
});

describe('what a worker says', () => {
  it('is refused when it makes no sense, ends the attempt, and fails the job in the end', async () => {
    const { model, bytes } = fresh('nonsense');
    const one = await registered(model);
    const study = await orchestrator.complete(bytes);
    const nonsense = [
      { measurements: [{ ...measurement, value: Number.NaN }] },
      { measurements: [{ ...measurement, unit: sct('258773002', 'mL') }] },
      { labelMaps: [{ columns: 8, rows: 8, slices: 6, sha256: 'ab'.repeat(32), segments: [] }] },
    ];
    for (const result of nonsense) {
      const offer = await one.takeOffer();
      one.send({
        $case: 'complete',
        value: { ...held(offer), result: inference.InferenceResult.fromPartial(result) },
      });
      expect(await one.take('refusal')).toMatchObject({ jobId: offer.jobId, code: 'invalid-result' });
    }
    const [failed] = await orchestrator.untilEvents(topics.jobFailed, study);
    expect(failed?.message).toMatchObject({ reason: failures.JOB_FAILURE_REASON_INVALID_RESULT, attempts: 3 });
    expect(await orchestrator.events(topics.jobCompleted, study)).toEqual([]);
  });

  it('may not hold voxels of undeclared segments, nor a label map of another size', async () => {
    const { model, bytes } = fresh('labels');
    const one = await registered(model);
    await orchestrator.complete(bytes);
    const offer = await one.takeOffer();
    const grid = { columns: 8, rows: 8, slices: 6 };
    await expect(one.writeLabelMap(held(offer), grid, new Uint8Array(8 * 8 * 5))).rejects.toThrow(/label-map-mismatch/);
    await expect(one.writeLabelMap(held(offer), grid, new Uint8Array(8 * 8 * 7))).rejects.toThrow(/label-map-mismatch/);
    await expect(one.writeLabelMap(held(offer), { ...grid, rows: 9 }, new Uint8Array(8))).rejects.toThrow(/grid/);
    const sha256 = await one.writeLabelMap(held(offer), grid, new Uint8Array(8 * 8 * 6).fill(2));
    const segment = { number: 1, label: 'Lung', category: sct('1', 'a'), type: sct('2', 'b') };
    const result = inference.InferenceResult.fromPartial({ labelMaps: [{ ...grid, sha256, segments: [segment] }] });
    one.send({ $case: 'complete', value: { ...held(offer), result } });
    expect((await one.take('refusal')).detail).toMatch(/segments that are not declared/);
  });

  it('is accepted again when the answer was lost, but another result is not', async () => {
    const { model, bytes } = fresh('again');
    const one = await registered(model);
    const study = await orchestrator.complete(bytes);
    const offer = await one.takeOffer();
    const complete = (result: inference.InferenceResult): void =>
      one.send({ $case: 'complete', value: { ...held(offer), result } });
    complete(simpleResult);
    await one.take('accepted');
    complete(simpleResult);
    await one.take('accepted');
    complete({ ...simpleResult, measurements: [{ ...measurement, value: 13 }] });
    expect((await one.take('refusal')).code).toBe('stale-fencing-token');
    expect(await orchestrator.untilEvents(topics.jobCompleted, study)).toHaveLength(1);
  });

  it('never hurts the stream or others: wrong frames are refused, the stream goes on', async () => {
    const one = connect();
    one.heartbeat();
    expect((await one.take('refusal')).code).toBe('not-registered');
    one.register(manifest('bad id!'));
    expect(await one.take('refusal')).toMatchObject({ code: 'invalid-manifest', jobId: '' });
    one.register(manifest(`good-${newId().slice(0, 8)}`));
    await one.take('registered');
    one.send({ $case: 'accept', value: { jobId: 'no uuid', fencingToken: 1n } });
    expect((await one.take('refusal')).code).toBe('stale-fencing-token');
    one.send({ $case: 'progress', value: { jobId: newId(), fencingToken: 2n ** 63n, fraction: 2, stage: '' } });
    expect((await one.take('refusal')).code).toBe('invalid-frame');
    one.heartbeat({ jobId: newId(), fencingToken: 1n });
    expect((await one.take('heartbeatAck')).lostJobIds).toHaveLength(1);
  });
});

describe('which jobs there are', () => {
  it('one for an unchanged input; a changed one replaces what is open and leaves what is done', async () => {
    const { model, bodyPart, series, bytes } = fresh('revise');
    const one = await registered(model);
    const study = await orchestrator.complete(bytes);
    const first = await one.takeOffer();
    await orchestrator.tellCompleted(study, 2);
    // A series of another kind changes nothing.
    const localizer = tinyCt({
      StudyInstanceUID: study,
      SeriesInstanceUID: '1.2.3',
      SOPInstanceUID: '1.2.3.4',
      ImageType: ['ORIGINAL', 'PRIMARY', 'LOCALIZER'],
    });
    await orchestrator.complete([localizer.bytes], 3);
    // One more slice of the same scan does.
    const scan = parseFile(bytes[0] ?? Buffer.of()).dataset;
    const more = tinyCt({
      FrameOfReferenceUID: scan.string('FrameOfReferenceUID') ?? '',
      StudyInstanceUID: study,
      SeriesInstanceUID: series[0]?.seriesInstanceUid ?? '',
      BodyPartExamined: bodyPart,
      SOPInstanceUID: `2.25.${BigInt(`0x${newId().replaceAll('-', '')}`)}`,
      InstanceNumber: 7,
      ImagePositionPatient: [0, 0, 6],
    });
    await orchestrator.complete([more.bytes], 4);
    expect(await one.take('cancel')).toEqual({ jobId: first.jobId, reason: 'superseded' });
    const second = await one.takeOffer();
    expect(second.jobId).not.toBe(first.jobId);
    const [failed] = await orchestrator.untilEvents(topics.jobFailed, study);
    expect(failed?.message).toMatchObject({ jobId: first.jobId, reason: failures.JOB_FAILURE_REASON_SUPERSEDED });
    one.send({ $case: 'complete', value: { ...held(first), result: simpleResult } });
    expect((await one.take('refusal')).code).toBe('stale-fencing-token');
    one.send({ $case: 'complete', value: { ...held(second), result: simpleResult } });
    await one.take('accepted');
    await orchestrator.tellCompleted(study, 5);
    await until('revision 5', async () => (await revisionOf(study)) === 5 || undefined);
    const scheduled = await orchestrator.events(topics.jobScheduled, study);
    expect(scheduled.map(({ message }) => [message.jobId, message.input?.studyRevision])).toEqual([
      [first.jobId, 1],
      [second.jobId, 4],
    ]);
  });

  it('none for a corrected patient, and the one that runs goes on with the corrected images', async () => {
    const { model, bodyPart } = fresh('corrected');
    const one = await registered(model);
    const salt = newId();
    const slices = (overrides: Attributes) =>
      tinySeries({ salt, overrides: { BodyPartExamined: bodyPart, ...overrides } }).map(({ bytes }) => bytes);
    const study = await orchestrator.complete(slices({}));
    const offer = await one.takeOffer();
    await orchestrator.complete(slices({ PatientName: 'CORRECTED^NAME', PatientID: 'OTHER' }), 2);
    await until('revision 2', async () => (await revisionOf(study)) === 2 || undefined);
    expect((await one.readVolume(held(offer))).header.slices).toBe(6);
    one.send({ $case: 'complete', value: { ...held(offer), result: simpleResult } });
    await one.take('accepted');
    // What the model reads is another matter.
    await orchestrator.complete(slices({ RescaleIntercept: -1000 }), 3);
    await one.takeOffer();
    const scheduled = await orchestrator.untilEvents(topics.jobScheduled, study, 2);
    expect(scheduled.map(({ message }) => message.input?.studyRevision)).toEqual([1, 3]);
  });

  it('a model that registers after the study gets it all the same, once', async () => {
    const { model, bodyPart, bytes } = fresh('late');
    const study = await orchestrator.complete(bytes);
    await until('the study', async () => ((await revisionOf(study)) === 1 ? true : undefined));
    const one = await registered(model);
    const offer = await one.takeOffer();
    expect(offer.studyInstanceUid).toBe(study);
    one.send({ $case: 'complete', value: { ...held(offer), result: simpleResult } });
    await one.take('accepted');
    await registered(model);
    // New models catch up in the order they came: once this one has, it would have got the study again.
    const later = manifest(`later-${bodyPart}`, bodyPart);
    expect((await (await registered(later)).takeOffer()).studyInstanceUid).toBe(study);
    const scheduled = await orchestrator.untilEvents(topics.jobScheduled, study, 2);
    expect(scheduled.map(({ message }) => message.model?.modelId)).toEqual([
      model.model?.modelId,
      later.model?.modelId,
    ]);
  });

  it('none when no series matches, and the dry run says why', async () => {
    const model = manifest(`why-${newId().slice(0, 8)}`);
    const { study } = generateThoraxPhantom({ slices: 12, matrix: 32, uidSalt: newId() });
    await registered({ ...model, selection: { ...needed(model.selection), sliceCountMin: 500 } });
    await orchestrator.complete(study.instances.map(({ bytes }) => bytes));
    await until('the study', async () => ((await revisionOf(study.studyInstanceUid)) === 1 ? true : undefined));
    const id = model.model?.modelId ?? '';
    const { status, body } = await orchestrator.get(
      `/api/inference/selection/${study.studyInstanceUid}?model=${encodeURIComponent(id)}`,
    );
    expect(status).toBe(200);
    expect(body).toMatchObject({
      revision: 1,
      consideredRevision: 1,
      models: [
        {
          registeredAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
          series: expect.arrayContaining([
            expect.objectContaining({ seriesInstanceUid: study.axialSeriesUid, instanceCount: 12 }),
          ]) as unknown[],
        },
      ],
    });
    const [explained] = (
      body as { models: { seriesInstanceUid: null; series: { seriesInstanceUid: string; reasons: string[] }[] }[] }
    ).models;
    expect(explained?.seriesInstanceUid).toBeNull();
    expect(
      explained?.series.find(({ seriesInstanceUid }) => seriesInstanceUid === study.axialSeriesUid)?.reasons,
    ).toEqual(['slice-count']);
    const { body: jobs } = await orchestrator.get(`/api/inference/jobs?study=${study.studyInstanceUid}`);
    expect((jobs as { jobs: { modelId: string }[] }).jobs.filter(({ modelId }) => modelId === id)).toEqual([]);
    expect((await orchestrator.get('/api/inference/jobs?study=x')).status).toBe(400);
    expect((await orchestrator.get('/api/inference/selection/1.2.3')).status).toBe(404);
  });

  it('never reads what Callosum issued', async () => {
    const { model, bodyPart, bytes } = fresh('own');
    const one = await registered(model);
    for (const instance of bytes) await orchestrator.index.add(orchestrator.objects, instance, true);
    const study = parseFile(bytes[0] ?? new Uint8Array()).dataset.string('StudyInstanceUID') ?? '';
    await orchestrator.tellCompleted(study, 1);
    await until('the study', async () => ((await revisionOf(study)) === 1 ? true : undefined));
    // Facts are sent in the order of their making: this study's after whatever the first one made.
    const salt = newId();
    const source = tinySeries({ salt, overrides: { BodyPartExamined: bodyPart } });
    const next = await orchestrator.complete(source.map(({ bytes: own }) => own));
    expect((await one.takeOffer()).studyInstanceUid).toBe(next);
    await orchestrator.untilEvents(topics.jobScheduled, next);
    expect(await orchestrator.events(topics.jobScheduled, study)).toEqual([]);
  });

  it('fails a job whose pixels cannot be read, at once', async () => {
    const { model, bytes } = fresh('broken');
    const one = await registered(model);
    const [first = new Uint8Array(), ...rest] = bytes;
    const broken = parseFile(first);
    const cut = first.subarray(0, (broken.pixelData?.offset ?? 0) + 10);
    const study = await orchestrator.complete([...rest, first]);
    const offer = await one.takeOffer();
    // The bytes under the very blob the job was scheduled with are broken.
    await breakBlob(study, first, cut);
    await expect(one.readVolume(held(offer))).rejects.toThrow(/input-unusable/);
    const [failed] = await orchestrator.untilEvents(topics.jobFailed, study);
    expect(failed?.message.reason).toBe(failures.JOB_FAILURE_REASON_INPUT_UNUSABLE);
    expect(await one.take('cancel')).toMatchObject({ jobId: offer.jobId });
  });
});

async function revisionOf(study: string): Promise<number | undefined> {
  const row = await orchestrator.database.db
    .selectFrom('study')
    .select('revision')
    .where('study_instance_uid', '=', study)
    .executeTakeFirst();
  return row?.revision;
}

async function breakBlob(study: string, whole: Uint8Array, cut: Uint8Array): Promise<void> {
  const uid = parseFile(whole).dataset.string('SOPInstanceUID') ?? '';
  await orchestrator.index.corrupt(orchestrator.objects, study, uid, cut);
}

const needed = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('absent');
  return value;
};
