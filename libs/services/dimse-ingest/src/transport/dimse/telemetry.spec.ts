import { parseSettings } from '@callosum/config';
import { datasetOf, writeFile } from '@callosum/dicom';
import { echo, storeFiles } from '@callosum/dimse';
import { systemClock } from '@callosum/kernel';
import { Drain } from '@callosum/runtime';
import { createLogger, currentTraceparent } from '@callosum/telemetry';
import { SpanStatusCode } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { startNodeSdk } from '@opentelemetry/sdk-node';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { afterAll, expect, it } from 'vitest';

import { EntityList } from '../../adapters/entity-list.js';
import { NetworkAddresses } from '../../adapters/network-addresses.js';
import { AdmitPeer } from '../../application/admit-peer.js';
import { AnnounceRelease } from '../../application/announce-release.js';
import { StoreInstance } from '../../application/store-instance.js';
import { dimseIngestSettings } from '../../settings.js';
import { MemoryAnnouncer, MemoryArchive } from '../../test-support/memory-archive.js';
import { DimseListener } from './dimse-listener.js';

const spans = new InMemorySpanExporter();
const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter: metrics });
const sdk = startNodeSdk({
  propagators: [new W3CTraceContextPropagator()],
  spanProcessors: [new SimpleSpanProcessor({ exporter: spans })],
  metricReaders: [reader],
  logRecordProcessors: [],
  instrumentations: [],
});
afterAll(() => sdk.shutdown());

const file = (SOPInstanceUID: string, SeriesInstanceUID: string | undefined): Buffer =>
  Buffer.from(
    writeFile(
      datasetOf({
        SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
        SOPInstanceUID,
        PatientName: 'Secret^Name',
        StudyInstanceUID: '1.2.3',
        SeriesInstanceUID,
      }),
      { implementationClassUid: '1.2.3' },
    ),
  );

it('one trace an association: a span for each C-STORE, and the archive and the release inside it', async () => {
  const traceparents: (string | undefined)[] = [];
  const archive = new MemoryArchive();
  const announcer = new MemoryAnnouncer();
  const begin = archive.begin.bind(archive);
  archive.begin = (object) => {
    traceparents.push(currentTraceparent());
    return begin(object);
  };
  const announce = announcer.announce.bind(announcer);
  announcer.announce = (released) => {
    traceparents.push(currentTraceparent());
    return announce(released);
  };
  const settings = parseSettings(dimseIngestSettings, { CALLOSUM_DIMSE_PORT: '0' });
  const logger = createLogger('dimse-ingest', 'silent');
  const listener = new DimseListener(
    settings,
    new StoreInstance(archive),
    new AnnounceRelease(announcer, systemClock),
    new AdmitPeer(new EntityList(settings.CALLOSUM_DIMSE_AES), new NetworkAddresses()),
    [],
    logger,
    new Drain(1_000),
    { onChanged: () => undefined },
  );
  await listener.onApplicationBootstrap();
  const to = { host: '127.0.0.1', port: listener.port, calledAet: 'CALLOSUM', callingAet: 'CT1' };
  const startedAt = performance.now();
  await storeFiles({ ...to, files: [file('1.1', '1.2'), file('1.3', undefined)] });
  await echo(to);
  const tookSeconds = (performance.now() - startedAt) / 1000;
  await listener.beforeApplicationShutdown();

  const finished = spans.getFinishedSpans();
  const root = finished.find(({ name }) => name === 'dimse.association');
  expect(root?.parentSpanContext).toBeUndefined();
  const stores = finished.filter(({ name }) => name === 'dimse.c-store');
  expect(stores.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual(
    Array(2).fill(root?.spanContext().spanId),
  );
  expect(stores.map(({ status }) => status.code)).toEqual([SpanStatusCode.UNSET, SpanStatusCode.ERROR]);
  expect(stores[0]?.attributes).toMatchObject({
    'dicom.sop_instance_uid': '1.1',
    'dicom.study_instance_uid': '1.2.3',
  });
  expect(traceparents).toHaveLength(3);
  expect(traceparents.map((value) => value?.split('-')[1])).toEqual(Array(3).fill(root?.spanContext().traceId));
  expect(
    JSON.stringify(finished.map(({ name, attributes, status, events }) => [name, attributes, status, events])),
  ).not.toMatch(/secret/i);

  await reader.forceFlush();
  const points = metrics
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
    .flatMap(({ descriptor, dataPoints }) =>
      dataPoints.map(({ attributes, value }) => ({ name: descriptor.name, ...attributes, value })),
    );
  const calling = { 'dicom.calling_ae': 'CT1' };
  const instances = { name: 'callosum.dimse.instances', ...calling, value: 1 };
  expect(points).toContainEqual({ ...instances, 'dicom.status': '0000' });
  expect(points).toContainEqual({ ...instances, 'dicom.status': 'C000' });
  expect(points).toContainEqual({ name: 'callosum.dimse.echoes', ...calling, value: 1 });
  const released = { name: 'callosum.dimse.associations', ...calling, 'callosum.outcome': 'released', value: 2 };
  expect(points).toContainEqual(released);
  expect(points).toContainEqual({ name: 'callosum.dimse.associations.open', value: 0 });
  // Seconds: a store that takes longer than these objects ever do would be a thousand of them in milliseconds.
  const duration = points.find(({ name }) => name === 'callosum.dimse.operation.duration');
  expect(duration).toMatchObject({ 'dicom.operation': 'C-STORE', 'dicom.status': '0000' });
  const { sum, count } = duration?.value as unknown as { sum: number; count: number };
  expect(count).toBe(1);
  expect(sum).toBeGreaterThan(0);
  expect(sum).toBeLessThan(tookSeconds);
});
