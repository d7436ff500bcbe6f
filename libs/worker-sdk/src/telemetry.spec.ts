import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { type Manifest, runWorker, startWorkerTelemetry } from './index.js';
import { Orchestrator, volumeParts } from './test-support/orchestrator.js';

const manifest: Manifest = {
  model: { modelId: 'test-model', version: '1.0.0', name: 'Test', vendor: 'Test', intendedUse: 'Tests only.' },
  selection: { modality: 'CT', orientation: 'axial' },
  outputs: ['findings'],
  attemptDurationMaxMs: 60_000,
};
const found = { findings: [{ concept: { value: '1', scheme: '99TEST', meaning: 'Test' }, present: false }] };
const silent = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

describe('telemetry of a worker', () => {
  it('puts the job into the trace of its study, and its reads below the job', async () => {
    const received: Buffer[] = [];
    const collector = createServer((request, response) => {
      request.on('data', (chunk: Buffer) => received.push(chunk));
      request.on('end', () => response.end());
    });
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => new Promise((resolve) => collector.close(resolve)));
    const otlpEndpoint = `http://127.0.0.1:${String((collector.address() as AddressInfo).port)}`;
    const telemetry = startWorkerTelemetry({ serviceName: 'test-worker', serviceVersion: '1.0.0', otlpEndpoint });

    const orchestrator = await new Orchestrator().start();
    cleanups.push(() => orchestrator.kill());
    orchestrator.onReadVolume = async function* () {
      yield* volumeParts();
      await Promise.resolve();
    };
    const running = runWorker({
      target: orchestrator.target,
      manifest,
      handle: async (job) => {
        await job.readVolume();
        return found;
      },
      logger: silent,
      stopOnSignals: false,
    });
    cleanups.push(() => running.stop());
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const parentId = '00f067aa0ba902b7';
    await vi.waitFor(() => expect(running.connected).toBe(true));
    orchestrator.offer('job-1', { traceparent: `00-${traceId}-${parentId}-01` });
    await vi.waitFor(() => expect(orchestrator.stream.all('complete').length).toBe(1));
    await telemetry.shutdown();

    const exported = Buffer.concat(received);
    const at = (name: string): number => exported.indexOf(name);
    expect(at('test-worker')).toBeGreaterThanOrEqual(0);
    expect(at('worker.job')).toBeGreaterThanOrEqual(0);
    expect(at('WorkerService/ReadVolume')).toBeGreaterThanOrEqual(0);
    expect(exported.includes(Buffer.from(traceId, 'hex'))).toBe(true);
    expect(exported.includes(Buffer.from(parentId, 'hex'))).toBe(true);
    // The call carried the trace on, with the reading span as parent.
    const carried = orchestrator.traceparents[0]?.split('-') ?? [];
    expect(carried[1]).toBe(traceId);
    expect(carried[2]).not.toBe(parentId);
    expect(exported.includes(Buffer.from(carried[2] ?? '', 'hex'))).toBe(true);
    // The result names the job's own span, which is neither the offer's nor that of a call.
    const [, trace, span = ''] = orchestrator.stream.all('complete')[0]?.traceparent?.split('-') ?? [];
    expect(trace).toBe(traceId);
    expect([parentId, carried[2]]).not.toContain(span);
    expect(exported.includes(Buffer.from(span, 'hex'))).toBe(true);
  });

  it.each(['complete', 'fail'] as const)(
    "passes on the offer's context with %s where the process traces nothing",
    async (end) => {
      const orchestrator = await new Orchestrator().start();
      cleanups.push(() => orchestrator.kill());
      const running = runWorker({
        target: orchestrator.target,
        manifest,
        handle: () => {
          if (end === 'fail') throw new Error('out of memory');
          return Promise.resolve(found);
        },
        logger: silent,
        stopOnSignals: false,
      });
      cleanups.push(() => running.stop());
      await vi.waitFor(() => expect(running.connected).toBe(true));
      const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
      orchestrator.offer('traced', { traceparent });
      orchestrator.offer('untraced', { traceparent: 'nonsense' });
      await vi.waitFor(() => expect(orchestrator.stream.all(end).length).toBe(2));
      expect(orchestrator.stream.all(end).map((frame) => [frame.jobId, frame.traceparent])).toEqual([
        ['traced', traceparent],
        ['untraced', undefined],
      ]);
    },
  );
});
