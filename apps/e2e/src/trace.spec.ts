import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { freePort } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type Collector, type Span, startCollector } from './harness/collector.js';
import { newFolder, root } from './harness/paths.js';
import { type Finished, run } from './harness/processes.js';

/** One step of a study's way, and the steps its span's parents and links lead back to, with no other between. */
interface Step {
  readonly step: string;
  readonly after: readonly string[];
  readonly is: (span: Span) => boolean;
}

const of = (service: string, name: string | RegExp) => (span: Span) =>
  span.service === service && (typeof name === 'string' ? span.name === name : name.test(span.name));

/**
 * Inference does not wait for the identity, publication does: a result has two ways behind it, which part at the index
 * and meet where it is published.
 */
const steps: readonly Step[] = [
  { step: 'association', after: [], is: of('callosum-dimse-ingest', 'dimse.association') },
  { step: 'store', after: ['association'], is: of('callosum-dimse-ingest', 'dimse.c-store') },
  { step: 'index', after: ['store'], is: of('callosum-study-index', 'process imaging.instance.stored.v1') },
  { step: 'complete', after: ['index'], is: of('callosum-study-index', 'study.complete') },
  { step: 'identity', after: ['index'], is: of('callosum-identity-mapping', 'process imaging.study.updated.v1') },
  { step: 'schedule', after: ['complete'], is: of('callosum-inference-orchestrator', 'schedule jobs') },
  { step: 'offer', after: ['schedule'], is: of('callosum-inference-orchestrator', 'offer job') },
  { step: 'worker', after: ['offer'], is: of('lung-ct', 'worker.job') },
  { step: 'accept', after: ['worker'], is: of('callosum-inference-orchestrator', 'accept result') },
  { step: 'result', after: ['accept', 'identity'], is: of('callosum-result-publisher', 'publish result') },
  { step: 'archive', after: ['result'], is: of('callosum-result-publisher', /^write archive/) },
  { step: 'FHIR', after: ['result'], is: of('callosum-result-publisher', /^write fhir/) },
  { step: 'FHIR server', after: ['FHIR'], is: of('callosum-fhir-gateway', /POST/) },
];

/** From the write back to the modality, each reached from the one before it. */
const wholeWays: readonly (readonly string[])[] = [
  [
    'FHIR server',
    'FHIR',
    'result',
    'accept',
    'worker',
    'offer',
    'schedule',
    'complete',
    'index',
    'store',
    'association',
  ],
  ['FHIR server', 'FHIR', 'result', 'identity', 'index', 'store', 'association'],
];

const stepOf = (span: Span): string | undefined => steps.find(({ is }) => is(span))?.step;

describe('a study traced through services in their own processes, Kafka, PostgreSQL and S3', () => {
  let collector: Collector;
  let ended: Finished;
  let byId: Map<string, Span>;

  const dataDir = newFolder('trace');

  beforeAll(async () => {
    collector = await startCollector();
    ended = await run(process.execPath, ['tools/stack.mjs', '--once'], {
      cwd: root,
      timeoutMs: 280_000,
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
        CALLOSUM_DATA_DIR: dataDir,
        CALLOSUM_HTTP_PORT: String(await freePort()),
        CALLOSUM_DIMSE_PORT: String(await freePort()),
        CALLOSUM_GRPC_PORT: String(await freePort()),
        CALLOSUM_QUIET_PERIOD_MS: '2000',
      },
    });
    byId = new Map(collector.spans.map((span) => [span.spanId, span]));
    if (process.env['CALLOSUM_TRACE_FILE']) {
      writeFileSync(process.env['CALLOSUM_TRACE_FILE'], JSON.stringify(collector.spans, null, 1));
    }
  });
  afterAll(() => collector.close());

  it('ends with the report', () => {
    expect(ended.code, ended.stdout.slice(-3000) + ended.stderr.slice(-3000)).toBe(0);
    expect(JSON.parse(ended.stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
      diagnosticReport: expect.stringMatching(/^DiagnosticReport\//) as string,
    });
  });

  it.each(steps)('holds $step, led to by $after', ({ step, after }) => {
    const spans = collector.spans.filter((span) => stepOf(span) === step);
    expect(spans.length).toBeGreaterThan(0);
    for (const earlier of after) {
      const connected = spans.filter((span) => stepsBefore(span).some((before) => stepOf(before) === earlier));
      expect(connected.length, `${spans.length} spans, none reached from ${earlier}`).toBeGreaterThan(0);
    }
  });

  it.each(wholeWays.map((way) => [way] as const))('leads back without a gap: %s', (way) => {
    expect(farthest(way)).toEqual(way);
  });

  it.each([
    ['inference-orchestrator', 'job.completed'],
    ['result-publisher', 'publication.done'],
  ])('is named by the lines %s logs: %s', (service, message) => {
    const [association] = collector.spans.filter(({ name }) => name === 'dimse.association');
    const lines = readFileSync(join(dataDir, 'stack', `${service}.log`), 'utf8')
      .split('\n')
      .filter((line) => line.includes(`"${message}"`))
      .map((line) => JSON.parse(line) as { traceId?: string });
    expect(lines.length).toBeGreaterThan(0);
    for (const { traceId } of lines) expect(traceId).toBe(association?.traceId);
  });

  it('holds nothing of the patient', () => {
    expect(collector.spans.length).toBeGreaterThan(100);
    // What the phantom's headers say.
    for (const secret of ['PHANTOM-0001', 'PHANTOM^THORAX', 'THORAX', '19580214', '1958-02-14']) {
      const found = collector.spans.filter(({ texts }) => texts.some((text) => text.includes(secret)));
      expect(found.map(({ service, name }) => `${service} ${name}`)).toEqual([]);
    }
  });

  /** The steps that `way` can be followed through, span by span: all of them when it has no gap. */
  function farthest(way: readonly string[]): string[] {
    const [first, ...rest] = way;
    let here = collector.spans.filter((span) => stepOf(span) === first);
    const followed = here.length > 0 ? way.slice(0, 1) : [];
    for (const step of rest) {
      here = [...new Set(here.flatMap(stepsBefore))].filter((span) => stepOf(span) === step);
      if (here.length === 0) break;
      followed.push(step);
    }
    return followed;
  }

  /**
   * The nearest steps behind a span, by parents and links: the walk goes through spans that are no step (events on
   * their way, calls) and ends at those that are. A parent that was not exported ends it too.
   */
  function stepsBefore(span: Span): Span[] {
    const seen = new Set<string>();
    const found: Span[] = [];
    const open = [span];
    for (let one = open.pop(); one; one = open.pop()) {
      for (const id of [one.parentSpanId, ...one.links]) {
        const earlier = byId.get(id);
        if (!earlier || seen.has(id)) continue;
        seen.add(id);
        (stepOf(earlier) === undefined ? open : found).push(earlier);
      }
    }
    return found;
  }
});
