import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Archive } from '@callosum/archive';
import { identity, imaging, inference, topics, type Topic } from '@callosum/contracts';
import { connect, type Database, type DatabaseConfig } from '@callosum/database';
import { PostgresEventLog } from '@callosum/event-log';
import type { Bundle, DiagnosticReport, Resource } from '@callosum/fhir';
import { newId } from '@callosum/kernel';
import type { ObjectStore } from '@callosum/object-store';
import { ARCHIVE, OBJECT_STORE, preparePlatform, type RunningService, startService } from '@callosum/runtime';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { startNodeSdk } from '@opentelemetry/sdk-node';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

import { startGateway, type TestGateway } from '../../fhir-gateway/src/gateway-for-tests.js';
import { resultPublisher } from './index.js';
import { PeersForTests } from './test-support/peers.js';
import { tinyLabelMap, tinyResult, tinyStudy } from './test-support/phantom.js';

const spans = new InMemorySpanExporter();
const sdk = startNodeSdk({
  propagators: [new W3CTraceContextPropagator()],
  spanProcessors: [new SimpleSpanProcessor({ exporter: spans })],
  metricReaders: [],
  logRecordProcessors: [],
  instrumentations: [],
});
const jobTrace = 'fedcba9876543210fedcba9876543210';
/** Of a person who decided: not the study's. */
const decisionTrace = '0123456789abcdef0123456789abcdef';
const tiny = tinyStudy();
const labelMap = tinyLabelMap(tiny);
const result = tinyResult(tiny, labelMap);

let postgres: TestPostgres;
let config: DatabaseConfig;
let gateway: TestGateway;
let peers: PeersForTests;
let service: RunningService;
let logDatabase: Database<never>;
let log: PostgresEventLog;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callosum-publisher-'));
  postgres = await startPostgres();
  config = await postgres.createDatabase();
  gateway = await startGateway(config);
  peers = await PeersForTests.start();
  for (const [uid, dataset] of tiny.instances) peers.instances.set(uid, dataset);
  await preparePlatform({
    admin: config,
    definitions: [resultPublisher],
    passwordOf: () => 'secret',
    eventLogInPostgres: true,
  });
  logDatabase = connect<never>({ ...config, user: 'event_log', password: 'secret' }, 'event_log', () => undefined);
  log = new PostgresEventLog({ db: logDatabase.db, onError: () => undefined });
  service = await startService(resultPublisher, {
    CALLOSUM_DATABASE_HOST: config.host,
    CALLOSUM_DATABASE_PORT: String(config.port),
    CALLOSUM_DATABASE_NAME: config.database,
    CALLOSUM_DATABASE_PASSWORD: 'secret',
    CALLOSUM_OBJECT_STORE_DIR: folder,
    CALLOSUM_DISK_FREE_BYTES_MIN: '0',
    CALLOSUM_STUDY_INDEX_GRPC: peers.address,
    CALLOSUM_IDENTITY_GRPC: peers.address,
    CALLOSUM_FHIR_URL: gateway.base,
    CALLOSUM_LOG_LEVEL: 'error',
  });
});
afterAll(async () => {
  await service?.close();
  await log?.close();
  await logDatabase?.close();
  await peers?.stop();
  await gateway?.stop();
  await postgres?.stop();
  await sdk.shutdown();
  await rm(folder, { recursive: true, force: true });
});

const tell = <M>(topic: Topic<M>, message: M, traceId = jobTrace): Promise<void> =>
  log.append([
    {
      topic: topic.name,
      key: topic.keyOf(message),
      id: newId(),
      type: topic.type,
      source: '/callosum/test',
      time: new Date(),
      site: 'default',
      correlationId: 'correlation-7',
      traceparent: `00-${traceId}-0123456789abcdef-01`,
      value: JSON.stringify(topic.message.toJSON(message)),
    },
  ]);

/** Shows the archive's objects to the index until a result was announced. */
async function untilPublished(): Promise<{ value: string; correlation_id: string; traceparent: string }> {
  const archive = service.app.get<Archive>(ARCHIVE);
  for (let waitedMs = 0; waitedMs < 20_000; waitedMs += 100) {
    for (const { blob_key } of await archive.locate({ studyInstanceUid: result.studyInstanceUid })) {
      peers.add(await buffer(await archive.open(blob_key)));
    }
    const { rows } = await sql<{ value: string; correlation_id: string; traceparent: string }>`
      select value, correlation_id, traceparent from event_log.events where topic = ${topics.resultPublished.name}`.execute(
      logDatabase.db,
    );
    const found = rows.find(({ value }) => value.includes('PUBLICATION_KIND_RESULT'));
    if (found) return found;
    await sleep(100);
  }
  throw new Error('no result was published');
}

it('takes the facts from the event log, and publishes in the trace of the job', async () => {
  const { body } = await gateway.send('POST', '/Patient', { resourceType: 'Patient' });
  peers.decision = { id: 'decision-1', patientReference: `Patient/${(body as Resource).id}` };
  async function* voxels() {
    await Promise.resolve();
    yield labelMap.voxels;
  }
  const { sha256 } = await service.app.get<ObjectStore>(OBJECT_STORE).put('default/label-maps/1', voxels());
  expect(sha256).toBe(createHash('sha256').update(labelMap.voxels).digest('hex'));

  await tell(
    topics.jobCompleted,
    inference.JobCompleted.fromPartial({
      jobId: result.jobId,
      model: result.model,
      input: {
        studyInstanceUid: result.studyInstanceUid,
        studyRevision: 1,
        seriesInstanceUid: result.seriesInstanceUid,
        sopInstanceUids: [...result.sopInstanceUids],
        inputDigest: 'i',
      },
      result: {
        measurements: [...result.measurements],
        labelMaps: [
          {
            columns: labelMap.columns,
            rows: labelMap.rows,
            slices: labelMap.slices,
            artifactKey: 'default/label-maps/1',
            sha256,
            segments: labelMap.segments.map((segment) => ({
              ...segment,
              recommendedCielab: [...segment.recommendedCielab],
            })),
          },
        ],
      },
      resultDigest: result.resultDigest,
      completedAt: result.completedAt.toISOString(),
    }),
  );
  await tell(
    topics.studyCompleted,
    imaging.StudyCompleted.fromPartial({
      studyInstanceUid: result.studyInstanceUid,
      revision: 1,
      identityDigest: 'digest-1',
    }),
  );
  await tell(
    topics.studyUpdated,
    imaging.StudyUpdated.fromPartial({
      studyInstanceUid: result.studyInstanceUid,
      revision: 1,
      changes: [imaging.StudyChange.STUDY_CHANGE_CREATED],
      identityDigest: 'digest-1',
    }),
  );
  await tell(
    topics.studyQuarantined,
    identity.StudyQuarantined.fromPartial({
      studyInstanceUid: result.studyInstanceUid,
      decisionId: 'decision-0',
      identityDigest: 'digest-1',
      decidedAt: '2026-11-22T03:00:00Z',
    }),
  );
  await tell(
    topics.studyLinked,
    identity.StudyLinked.fromPartial({
      studyInstanceUid: result.studyInstanceUid,
      decisionId: 'decision-1',
      patientReference: peers.decision.patientReference,
      identityDigest: 'digest-1',
      decidedAt: '2026-11-22T03:00:01Z',
    }),
    decisionTrace,
  );

  const published = await untilPublished();
  expect(published.correlation_id).toBe('correlation-7');
  expect(published.traceparent.split('-')[1]).toBe(jobTrace);
  const reports = (await gateway.send('GET', '/DiagnosticReport')).body as Bundle;
  expect(reports.entry?.length).toBe(1);
  const report = reports.entry?.[0]?.resource as DiagnosticReport | undefined;
  expect(published.value).toContain(`DiagnosticReport/${report?.id}`);
  const ofResult = spans
    .getFinishedSpans()
    .filter((span) => span.spanContext().traceId === jobTrace)
    .map(({ name }) => name);
  expect(ofResult).toEqual(
    expect.arrayContaining([`process ${topics.jobCompleted.name}`, 'publish result', 'write archive', 'write fhir']),
  );
  // One decision took effect: the link, not the quarantine before it.
  const decided = spans.getFinishedSpans().filter(({ name }) => name === `process ${topics.studyLinked.name}`);
  expect(decided.map((span) => span.spanContext().traceId)).toEqual([decisionTrace]);
  await vi.waitFor(
    () => {
      for (const kind of ['result', 'imaging-study']) {
        const publishing = spans.getFinishedSpans().find(({ name }) => name === `publish ${kind}`);
        expect(publishing?.links.map(({ context }) => context.spanId)).toEqual([decided[0]?.spanContext().spanId]);
      }
    },
    { timeout: 15_000 },
  );
  // Nobody's name, in no span and no event (the phantom's patient is Tiny^Phantom, TINY-1).
  expect(
    JSON.stringify(spans.getFinishedSpans().map(({ attributes, name, status }) => ({ attributes, name, status }))),
  ).not.toMatch(/Tiny\^|TINY-1/);
  expect(await service.readiness()).toMatchObject({
    database: { state: 'ok' },
    eventLog: { state: 'ok' },
    objectStore: { state: 'ok' },
  });
});
