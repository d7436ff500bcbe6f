import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { freePort } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type Collector, type Span, startCollector } from './harness/collector.js';
import { newFolder, root } from './harness/paths.js';
import { type Finished, run } from './harness/processes.js';

/** One step of a study's way, and the step that must be among what led to it. */
interface Step {
  readonly step: string;
  readonly after?: string;
  readonly is: (span: Span) => boolean;
}

const of = (service: string, name: string | RegExp) => (span: Span) =>
  span.service === service && (typeof name === 'string' ? span.name === name : name.test(span.name));

const steps: readonly Step[] = [
  { step: 'association', is: of('callosum-dimse-ingest', 'dimse.association') },
  { step: 'store', after: 'association', is: of('callosum-dimse-ingest', 'dimse.c-store') },
  { step: 'index', after: 'store', is: of('callosum-study-index', 'process imaging.instance.stored.v1') },
  { step: 'complete', after: 'index', is: of('callosum-study-index', 'study.complete') },
  { step: 'identity', after: 'index', is: of('callosum-identity-mapping', 'process imaging.study.updated.v1') },
  { step: 'schedule', after: 'complete', is: of('callosum-inference-orchestrator', 'schedule jobs') },
  { step: 'offer', after: 'schedule', is: of('callosum-inference-orchestrator', 'offer job') },
  { step: 'worker', after: 'schedule', is: of('lung-ct', 'worker.job') },
  { step: 'accept', after: 'schedule', is: of('callosum-inference-orchestrator', 'accept result') },
  { step: 'result', after: 'accept', is: of('callosum-result-publisher', 'publish result') },
  { step: 'archive', after: 'result', is: of('callosum-result-publisher', /^write archive/) },
  { step: 'FHIR', after: 'result', is: of('callosum-result-publisher', /^write fhir/) },
  { step: 'FHIR server', after: 'FHIR', is: of('callosum-fhir-gateway', /POST/) },
];

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

  it.each(steps)('holds $step, led to by $after', ({ after, is }) => {
    const spans = collector.spans.filter(is);
    expect(spans.length).toBeGreaterThan(0);
    if (after === undefined) return;
    const before = steps.find(({ step }) => step === after);
    const connected = spans.filter((span) => leadingTo(span).some((earlier) => before?.is(earlier)));
    expect(connected.length, `${spans.length} spans, none reached from ${after}`).toBeGreaterThan(0);
  });

  it('leads from the FHIR write back to the association without a gap', () => {
    const write = steps.find(({ step }) => step === 'FHIR server');
    const wholeWay = collector.spans
      .filter((span) => write?.is(span))
      .some((span) => {
        const earlier = leadingTo(span);
        return ['FHIR', 'result', 'accept', 'schedule', 'complete', 'index', 'store', 'association'].every((step) =>
          earlier.some((one) => steps.find((known) => known.step === step)?.is(one)),
        );
      });
    expect(wholeWay).toBe(true);
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

  /** The span's parents and links, and theirs. A parent that was not exported ends that way. */
  function leadingTo(span: Span): Span[] {
    const found = new Map<string, Span>();
    const open = [span];
    for (let one = open.pop(); one; one = open.pop()) {
      for (const id of [one.parentSpanId, ...one.links]) {
        const earlier = byId.get(id);
        if (!earlier || found.has(id)) continue;
        found.set(id, earlier);
        open.push(earlier);
      }
    }
    return [...found.values()];
  }
});
