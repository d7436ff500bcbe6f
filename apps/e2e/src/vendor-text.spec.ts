import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { type Collector, startCollector } from './harness/collector.js';
import { parked, query } from './harness/database.js';
import { eventually, fhirSearch, waitForReport } from './harness/fhir.js';
import { GiveUp, type NonsenseWorker, startNonsenseWorker } from './harness/nonsense-worker.js';
import { instancesOf, retrieve, send, smallPhantom } from './harness/studies.js';

/** What a careless vendor might quote from a header it read. */
const inWarning = 'Plantedname^Warning';
const inFailure = 'Plantedname^Failure';
const planted = /plantedname/i;

const study = smallPhantom({ uidSalt: 'vendor-text' });

const volume = {
  id: 'volume',
  concept: { value: '118565006', scheme: 'SCT', meaning: 'Volume' },
  value: 4711,
  unit: { value: 'mL', scheme: 'UCUM', meaning: 'milliliter' },
};

describe('a Patient name that a vendor writes into a warning and a failure', () => {
  let collector: Collector;
  let system: Callosum;
  let workers: NonsenseWorker[];
  let metrics: string;

  beforeAll(async () => {
    collector = await startCollector();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, CALLOSUM_LOG_LEVEL: 'trace' };
    system = await Callosum.start('vendor-text', { worker: false, env });
    const start = (modelId: string, result: Parameters<typeof startNonsenseWorker>[2]): NonsenseWorker =>
      startNonsenseWorker(`127.0.0.1:${system.grpcPort}`, modelId, result);
    workers = [
      start('warns', () =>
        Promise.resolve({
          measurements: [volume],
          warnings: [{ code: 'cut-off', message: `${inWarning} is cut off` }],
        }),
      ),
      start('gives-up', () => Promise.reject(new GiveUp(`cannot read ${inFailure}`))),
    ];
    await send(system, study);
    await waitForReport(system.httpUrl, study.studyInstanceUid);
    await eventually('the failed Task', 60_000, async () => (await failedTasks()).length === 1);
    // Spans leave within half a second of their end, gauges are read every five.
    await sleep(6_000);
    metrics = await (await fetch(`${system.httpUrl}/metrics`)).text();
  });
  afterAll(async () => {
    for (const one of workers) one.close();
    await system.stop();
    await collector.close();
  });

  const failedTasks = async () =>
    (await fhirSearch(system.httpUrl, 'Task?_count=100')).filter(({ status }) => status === 'failed');

  it('is in SR, DiagnosticReport and Task, for those who care for the patient', async () => {
    // The model that gave up has a cancelled one beside it.
    const reports = await fhirSearch(system.httpUrl, 'DiagnosticReport?_count=10');
    const report = reports.find(({ status }) => status === 'preliminary');
    expect(report?.['conclusion']).toContain(`Warning: ${inWarning} is cut off`);
    const [task] = await failedTasks();
    expect(task?.['statusReason']).toEqual({ text: `input unusable: cannot read ${inFailure}` });
    const instances = await instancesOf(system.httpUrl, study.studyInstanceUid);
    const sr = instances.find(({ modality }) => modality === 'SR');
    if (!sr) throw new Error('there is no SR');
    const bytes = await retrieve(system.httpUrl, study.studyInstanceUid, sr);
    expect(Buffer.from(bytes).toString('latin1')).toContain(`Warning (cut-off): ${inWarning} is cut off`);
  });

  it('is in no event, parked fact or outbox', async () => {
    const events = await query<{ topic: string; event: string }>(
      system,
      'select topic, row_to_json(events)::text as event from event_log.events as events',
    );
    const topics = new Set(events.map(({ topic }) => topic));
    expect(topics).toContain('inference.job.completed.v1');
    expect(topics).toContain('inference.job.failed.v1');
    expect(events.filter(({ event }) => planted.test(event))).toEqual([]);
    expect(await parked(system)).toEqual([]);
  });

  it('is in no log line, span or metric', () => {
    const logs = system.logs();
    expect(logs).toContain('job.completed');
    expect(logs).toContain('attempt.failed');
    expect(logs).not.toMatch(planted);
    const texts = collector.spans.flatMap((span) => span.texts);
    expect(texts).toContain('accept result');
    expect(texts).toContain('end attempt');
    expect(texts.filter((text) => planted.test(text))).toEqual([]);
    expect(metrics).toMatch(/callosum_inference_attempts_failed_total\{.*callosum_model="gives-up"/);
    expect(metrics).not.toMatch(planted);
  });

  it.each([
    'http_server_request_duration_count',
    'rpc_server_call_duration_count',
    'callosum_events_total',
    'callosum_events_age_count',
    'callosum_events_duration_count',
    'callosum_consumer_lag',
    'callosum_outbox_rows',
    'callosum_outbox_oldest_age',
    'callosum_parked_events',
    'callosum_parked_for_person',
    'callosum_parked_oldest_age',
    'callosum_disk_free',
    'callosum_dimse_instances_total',
    'callosum_dimse_stored_bytes_total',
    'callosum_dimse_associations_total',
    'callosum_dimse_associations_open',
    'callosum_dimse_operation_duration_count',
    'callosum_study_completion_duration_count',
    'callosum_identity_decisions_total',
    'callosum_identity_link_duration_count',
    'callosum_quarantine_studies',
    'callosum_quarantine_oldest_age',
    'callosum_inference_jobs_queued',
    'callosum_inference_wait_count',
    'callosum_inference_run_count',
    'callosum_inference_jobs_ended_total',
    'callosum_inference_attempts_failed_total',
    'callosum_publish_duration_count',
    'callosum_study_end_to_end_duration_count',
  ])('and %s is measured', (name) => {
    expect(metrics.split('\n').filter((line) => line.startsWith(name)).length).toBeGreaterThan(0);
  });
});
