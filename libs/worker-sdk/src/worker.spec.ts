import { createHash } from 'node:crypto';
import { once } from 'node:events';

import { worker as protocol } from '@callosum/contracts';
import { createChannel, createClient, ServerError, Status } from 'nice-grpc';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import {
  type Job,
  JobInputUnusableError,
  type JobResult,
  type Manifest,
  RegistrationRefusedError,
  type RunningWorker,
  runWorker,
  type Volume,
  type WorkerOptions,
} from './index.js';
import { labelMapParts } from './label-map.js';
import { Orchestrator, volumeParts } from './test-support/orchestrator.js';

const manifest: Manifest = {
  model: { modelId: 'test-model', version: '1.0.0', name: 'Test model', vendor: 'Test', intendedUse: 'Tests only.' },
  selection: { modality: 'CT', orientation: 'axial' },
  outputs: ['label-map', 'measurements'],
  attemptDurationMaxMs: 60_000,
};
const millilitre = { value: 'mL', scheme: 'UCUM', meaning: 'milliliter' };
const volumeConcept = { value: '118565006', scheme: 'SCT', meaning: 'Volume' };
const result: JobResult = { measurements: [{ id: 'volume', concept: volumeConcept, value: 4200.5, unit: millilitre }] };
const silent = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };

let orchestrator: Orchestrator;
const workers: RunningWorker[] = [];

beforeEach(async () => {
  orchestrator = await new Orchestrator().start();
});
afterEach(async () => {
  await Promise.all(workers.splice(0).map((running) => running.stop().catch(() => undefined)));
  await orchestrator.kill();
});

async function start(handle: WorkerOptions['handle'], more: Partial<WorkerOptions> = {}): Promise<RunningWorker> {
  const options = {
    target: orchestrator.target,
    manifest,
    handle,
    logger: silent,
    stopGraceMs: 0,
    stopOnSignals: false,
  };
  const running = runWorker({ ...options, ...more });
  running.stopped.catch(() => undefined);
  workers.push(running);
  await until(() => running.connected);
  return running;
}

async function until(holds: () => boolean): Promise<void> {
  await vi.waitFor(() => expect(holds()).toBe(true), { timeout: 10_000, interval: 5 });
}

/** A handler whose jobs end when the test says so. */
function pending(): { jobs: Job[]; finish: (() => void)[]; handle: WorkerOptions['handle'] } {
  const jobs: Job[] = [];
  const finish: (() => void)[] = [];
  return {
    jobs,
    finish,
    handle: (job) => {
      jobs.push(job);
      return new Promise((resolve, reject) => {
        finish.push(() => resolve(result));
        job.signal.addEventListener('abort', () => reject(job.signal.reason as Error));
      });
    },
  };
}

describe('a job, from offer to result', () => {
  it('is accepted, told of and completed, with times and nothing the handler did not say', async () => {
    await start(async (job) => {
      job.progress(0.5, 'segmenting');
      await Promise.resolve();
      return result;
    });
    expect(orchestrator.stream.all('register')[0]?.manifest?.selection?.orientation).toBe('ORIENTATION_AXIAL');
    orchestrator.offer('job-1', { fencingToken: 7n });
    await until(() => orchestrator.stream.all('complete').length === 1);
    expect(orchestrator.stream.all('accept')).toEqual([{ jobId: 'job-1', fencingToken: 7n }]);
    expect(orchestrator.stream.all('progress')[0]).toMatchObject({ fraction: 0.5, stage: 'segmenting' });
    const complete = orchestrator.stream.all('complete')[0];
    expect(complete?.fencingToken).toBe(7n);
    expect(complete?.result?.measurements).toMatchObject([{ id: 'volume', value: 4200.5, unit: { value: 'mL' } }]);
    expect(Date.parse(complete?.result?.finishedAt ?? '')).toBeGreaterThan(Date.now() - 10_000);
  });

  it('runs as many at a time as there are slots, and accepts the next one when a slot is free', async () => {
    const { jobs, finish, handle } = pending();
    await start(handle, { manifest: { ...manifest, slots: 2 } });
    for (const id of ['a', 'b', 'c']) orchestrator.offer(id);
    await until(() => jobs.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(orchestrator.stream.all('accept').map(({ jobId }) => jobId)).toEqual(['a', 'b']);
    finish[0]?.();
    await until(() => orchestrator.stream.all('accept').length === 3);
  });

  it.each([
    [new JobInputUnusableError('lungs-not-in-view'), 'FAILURE_KIND_INPUT_UNUSABLE', 'lungs-not-in-view'],
    [new TypeError('DOE^JANE was not a number'), 'FAILURE_KIND_TRANSIENT', 'TypeError'],
    [Object.assign(new Error('/data/DOE'), { code: 'ENOENT' }), 'FAILURE_KIND_TRANSIENT', 'Error.ENOENT'],
    [Object.assign(new Error('x'), { code: 'DOE^JANE' }), 'FAILURE_KIND_TRANSIENT', 'Error'],
  ])('that throws %o fails as %s, told by code and never by message', async (error, kind, detail) => {
    await start(() => Promise.reject(error));
    orchestrator.offer('job-1');
    await until(() => orchestrator.stream.all('fail').length === 1);
    expect(orchestrator.stream.all('fail')[0]).toEqual({ jobId: 'job-1', fencingToken: 1n, kind, detail });
  });

  it('whose result does not hold together is given back, not sent', async () => {
    await start(() => Promise.resolve({ measurements: [{ ...result.measurements![0]!, value: Number.NaN }] }));
    orchestrator.offer('job-1');
    await until(() => orchestrator.stream.all('fail').length === 1);
    expect(orchestrator.stream.all('fail')[0]?.detail).toBe('worker.invalid-result');
    expect(orchestrator.stream.all('complete')).toEqual([]);
  });
});

describe('what ends a job early', () => {
  it('a cancelled job hears of it and says nothing more', async () => {
    const { jobs, handle } = pending();
    await start(handle);
    orchestrator.offer('job-1');
    await until(() => jobs.length === 1);
    orchestrator.stream.say({ $case: 'cancel', value: { jobId: 'job-1', reason: 'superseded' } });
    await until(() => jobs[0]?.signal.aborted === true);
    expect(jobs[0]?.signal.reason).toMatchObject({ reason: 'cancelled', code: 'worker.job-cancelled' });
    orchestrator.offer('job-2');
    await until(() => jobs.length === 2);
    expect(orchestrator.stream.all('fail')).toEqual([]);
  });

  it('a job whose lease was lost is stopped; heartbeats renew the others', async () => {
    const { jobs, handle } = pending();
    await start(handle, { manifest: { ...manifest, slots: 2 } });
    orchestrator.offer('lost');
    orchestrator.offer('kept', { fencingToken: 4n });
    await until(() => jobs.length === 2);
    orchestrator.onHeartbeat = ({ jobs: held }) =>
      held.filter(({ jobId }) => jobId === 'lost').map(({ jobId }) => jobId);
    await until(() => jobs[0]?.signal.aborted === true);
    expect(jobs[0]?.signal.reason).toMatchObject({ reason: 'lease-lost' });
    const before = orchestrator.stream.all('heartbeat').length;
    await until(() => orchestrator.stream.all('heartbeat').length > before + 2);
    expect(orchestrator.stream.all('heartbeat').at(-1)?.jobs).toEqual([{ jobId: 'kept', fencingToken: 4n }]);
    expect(jobs[1]?.signal.aborted).toBe(false);
  });

  it('a job given out again under a newer token starts anew; the word about the old token does not end it', async () => {
    const { jobs, finish, handle } = pending();
    await start(handle, { manifest: { ...manifest, slots: 2 } });
    orchestrator.offer('job-1', { fencingToken: 1n });
    await until(() => orchestrator.stream.all('heartbeat').some(({ jobs: held }) => held.length === 1));
    let answered = false;
    orchestrator.onHeartbeat = ({ jobs: held }) => {
      if (answered || held[0]?.fencingToken !== 1n) return [];
      // The new offer overtakes the answer to the heartbeat that still names the old token.
      answered = true;
      orchestrator.offer('job-1', { fencingToken: 2n, attempt: 2 });
      return ['job-1'];
    };
    await until(() => jobs.length === 2);
    const before = orchestrator.stream.all('heartbeat').length;
    await until(() => orchestrator.stream.all('heartbeat').length > before + 2);
    expect(jobs[0]?.signal.aborted).toBe(true);
    expect(jobs[1]?.signal.aborted).toBe(false);
    finish[1]?.();
    await until(() => orchestrator.stream.all('complete').length === 1);
    expect(orchestrator.stream.all('complete')[0]?.fencingToken).toBe(2n);
  });

  it('a job past its deadline is given back', async () => {
    const { jobs, handle } = pending();
    await start(handle);
    orchestrator.offer('job-1', { deadline: { seconds: 0n, nanos: 40e6 } });
    await until(() => orchestrator.stream.all('fail').length === 1);
    expect(jobs[0]?.signal.reason).toMatchObject({ reason: 'deadline' });
    expect(orchestrator.stream.all('fail')[0]?.detail).toBe('worker.job-deadline');
    // Given back: its lease is renewed no more.
    await until(() => orchestrator.stream.all('heartbeat').at(-1)?.jobs.length === 0);
  });
});

describe('a broken connection', () => {
  it('is made again; a resumed job goes on, another stops, and the result goes over the new stream', async () => {
    const { jobs, finish, handle } = pending();
    await start(handle, { manifest: { ...manifest, slots: 2 } });
    orchestrator.offer('resumed', { fencingToken: 3n });
    orchestrator.offer('other', { fencingToken: 5n });
    await until(() => jobs.length === 2);
    orchestrator.onRegister = () => orchestrator.registered(['resumed']);
    orchestrator.stream.cut();
    await until(() => orchestrator.streams.length === 2);
    await until(() => jobs[1]?.signal.aborted === true);
    expect(orchestrator.stream.all('register')[0]?.heldJobs).toEqual([
      { jobId: 'resumed', fencingToken: 3n },
      { jobId: 'other', fencingToken: 5n },
    ]);
    expect(orchestrator.stream.all('register')[0]?.workerInstanceId).toBe(
      orchestrator.streams[0]?.all('register')[0]?.workerInstanceId,
    );
    expect(jobs[0]?.signal.aborted).toBe(false);
    finish[0]?.();
    await until(() => orchestrator.stream.all('complete').length === 1);
    expect(orchestrator.stream.all('complete')[0]).toMatchObject({ jobId: 'resumed', fencingToken: 3n });
  });

  it('a result is sent again over each new stream until it is accepted, and no more after that', async () => {
    orchestrator.onComplete = () => undefined;
    await start(() => Promise.resolve(result));
    orchestrator.onRegister = ({ heldJobs }) => orchestrator.registered(heldJobs.map(({ jobId }) => jobId));
    orchestrator.offer('job-1');
    await until(() => orchestrator.stream.all('complete').length === 1);
    for (const streams of [2, 3]) {
      orchestrator.stream.cut();
      await until(() => orchestrator.streams.length === streams && orchestrator.stream.all('complete').length === 1);
    }
    orchestrator.stream.say({ $case: 'accepted', value: { jobId: 'job-1' } });
    await until(() => orchestrator.stream.all('heartbeat').at(-1)?.jobs.length === 0);
    orchestrator.stream.cut();
    await until(() => orchestrator.streams.length === 4 && orchestrator.stream.all('register').length === 1);
    expect(orchestrator.stream.all('register')[0]?.heldJobs).toEqual([]);
  });

  it('a result that was refused is not sent again', async () => {
    orchestrator.onComplete = () => undefined;
    await start(() => Promise.resolve(result));
    orchestrator.offer('job-1');
    await until(() => orchestrator.stream.all('complete').length === 1);
    orchestrator.stream.say({ $case: 'refusal', value: { jobId: 'job-1', code: 'invalid-result', detail: '' } });
    await until(() => orchestrator.stream.all('heartbeat').at(-1)?.jobs.length === 0);
    orchestrator.stream.cut();
    await until(() => orchestrator.streams.length === 2 && orchestrator.stream.all('register').length === 1);
    expect(orchestrator.stream.all('register')[0]?.heldJobs).toEqual([]);
  });

  it('an orchestrator that restarts is found again, however long it was away', async () => {
    const { jobs, finish, handle } = pending();
    const running = await start(handle);
    orchestrator.offer('job-1');
    await until(() => jobs.length === 1);
    const { port } = orchestrator;
    await orchestrator.kill();
    await until(() => !running.connected);
    finish[0]?.();
    await new Promise((resolve) => setTimeout(resolve, 700));
    orchestrator = new Orchestrator();
    orchestrator.onRegister = ({ heldJobs }) => orchestrator.registered(heldJobs.map(({ jobId }) => jobId));
    await orchestrator.start(port);
    await until(() => orchestrator.streams.length > 0 && orchestrator.stream.all('complete').length === 1);
  });

  it('an orchestrator that falls silent is left for another stream', async () => {
    await start(pending().handle);
    orchestrator.onHeartbeat = () => undefined;
    await until(() => orchestrator.streams.length === 2);
  });

  it('a manifest refused for good ends the worker with the reason', async () => {
    const value = { jobId: '', code: 'invalid-manifest', detail: 'selection.modality must be CT' };
    orchestrator.onRegister = () => ({ $case: 'refusal', value });
    const handle = pending().handle;
    const running = runWorker({ target: orchestrator.target, manifest, handle, logger: silent, stopOnSignals: false });
    await expect(running.stopped).rejects.toThrow(RegistrationRefusedError);
  });
});

describe('the volume', () => {
  async function read(parts: () => protocol.ReadVolumeResponse[], more: Partial<Manifest> = {}): Promise<Volume> {
    orchestrator.onReadVolume = async function* () {
      yield* parts();
      await Promise.resolve();
    };
    const volume = new Promise<Volume>((resolve, reject) => {
      void start(
        (job) =>
          job
            .readVolume()
            .then((it) => (resolve(it), result))
            .catch((e: unknown) => Promise.reject((reject(e as Error), e as Error))),
        {
          manifest: { ...manifest, ...more },
        },
      ).then(() => orchestrator.offer('job-1'));
    });
    return volume;
  }

  it('arrives as numbers in the order of the grid, with its geometry', async () => {
    const volume = await read(() => volumeParts({ paddingValueHu: -3024 }, undefined, 7));
    expect(volume.data).toBeInstanceOf(Int16Array);
    expect([...volume.data]).toEqual(Array.from({ length: 24 }, (_, at) => at - 1000));
    expect(volume).toMatchObject({ columns: 4, rows: 3, slices: 2, spacingMm: [0.7, 0.7, 1.5], paddingValueHu: -3024 });
    expect(volume.voxelVolumeMm3).toBeCloseTo(0.7 * 0.7 * 1.5, 9);
    expect(volume.sopInstanceUids).toEqual(['1.2.3.4.1', '1.2.3.4.2']);
  });

  it('may be of float32', async () => {
    const volume = await read(() => volumeParts({ voxelType: protocol.VoxelType.VOXEL_TYPE_FLOAT32 }));
    expect(volume.data).toBeInstanceOf(Float32Array);
    expect(volume.data[3]).toBe(-997.5);
  });

  const corrupt: [string, () => protocol.ReadVolumeResponse[]][] = [
    ['short', () => volumeParts().slice(0, 1)],
    ['too long', () => volumeParts({}, new Uint8Array(49))],
    ['without header', () => volumeParts().slice(1)],
    ['with two headers', () => [...volumeParts(), ...volumeParts()]],
    ['with another byte count', () => volumeParts({ byteCount: 47n })],
    ['with a flat affine', () => volumeParts({ affine: new Array<number>(15).fill(0).concat(1) })],
    ['with NaN for a spacing', () => volumeParts({ spacingMm: [Number.NaN, 1, 1] })],
    ['with a slice without SOPInstanceUID', () => volumeParts({ sopInstanceUids: ['1.2'] })],
  ];
  it.each(corrupt)('that is %s once is read again', async (_, parts) => {
    let reads = 0;
    const volume = await read(() => (++reads === 1 ? parts() : volumeParts()));
    expect(volume.data.length).toBe(24);
    expect(reads).toBe(2);
  });

  it.each([
    ['larger than the manifest takes', () => volumeParts({}), { volumeLimits: { voxelsMax: 23 } }],
    ['of a size no memory holds', () => volumeParts({ columns: 2 ** 30, rows: 2 ** 30 }, new Uint8Array(2)), {}],
    [
      'of uneven slices the manifest does not take',
      () => volumeParts({ irregularities: [protocol.VolumeIrregularity.VOLUME_IRREGULARITY_UNEVEN_SPACING] }),
      {},
    ],
  ])('%s makes the input unusable', async (_, parts, more) => {
    await expect(read(parts, more)).rejects.toThrow(JobInputUnusableError);
    await until(() => orchestrator.stream.all('fail')[0]?.kind === 'FAILURE_KIND_INPUT_UNUSABLE');
  });

  it('whose reading is cut off by a lost replica is read again', async () => {
    let reads = 0;
    orchestrator.onReadVolume = async function* () {
      yield* volumeParts().slice(0, 2);
      await Promise.resolve();
      if (++reads < 3) throw new ServerError(Status.UNAVAILABLE, 'going away');
    };
    await start(async (job) => (await job.readVolume(), result));
    orchestrator.offer('job-1');
    await until(() => orchestrator.stream.all('complete').length === 1);
    expect(reads).toBe(3);
  });
});

describe('the label map', () => {
  const segment = {
    number: 1,
    label: 'Lung',
    category: { value: '123037004', scheme: 'SCT', meaning: 'Anatomical Structure' },
    type: { value: '39607008', scheme: 'SCT', meaning: 'Lung' },
  };

  it('is sent in chunks the server asks for, carries the trace, and is named by its digest', async () => {
    const dimensions = { columns: 256, rows: 256, slices: 160 };
    const labels = new Uint8Array(256 * 256 * 160).map((_, at) => (at % 7 === 0 ? 1 : 0));
    const chunks: number[] = [];
    let taken = 0;
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    orchestrator.onWriteLabelMap = async (parts) => {
      const hash = createHash('sha256');
      for await (const { part } of parts) {
        if (part?.$case !== 'data') continue;
        chunks.push(part.value.length);
        hash.update(part.value);
        if (++taken === 1) await held;
      }
      return hash.digest('hex');
    };
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    await start(async (job) => {
      const sha256 = await job.writeLabelMap(labels, dimensions);
      return { labelMaps: [{ ...dimensions, sha256, segments: [segment] }] };
    });
    orchestrator.offer('job-1', { traceparent: `00-${trace}-00f067aa0ba902b7-01` });
    await until(() => taken === 1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    // The connection lives on while the transfer stands still.
    const before = orchestrator.stream.all('heartbeat').length;
    await until(() => orchestrator.stream.all('heartbeat').length > before);
    release();
    await until(() => orchestrator.stream.all('complete').length === 1);
    expect(Math.max(...chunks)).toBeLessThanOrEqual(1024 * 1024);
    expect(chunks.reduce((sum, bytes) => sum + bytes, 0)).toBe(labels.length);
    expect(orchestrator.traceparents[0]).toContain(trace);
    const sent = orchestrator.stream.all('complete')[0]?.result?.labelMaps[0];
    expect(sent?.sha256).toBe(createHash('sha256').update(labels).digest('hex'));
  });

  it('waits in memory once, not in the transport, while the server takes nothing', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    orchestrator.onWriteLabelMap = async (parts) => {
      await held;
      let bytes = 0;
      for await (const { part } of parts) if (part?.$case === 'data') bytes += part.value.length;
      return String(bytes);
    };
    const dimensions = { columns: 512, rows: 512, slices: 256 };
    const labels = new Uint8Array(512 * 512 * 256);
    let pulled = 0;
    async function* counted(): AsyncGenerator<protocol.WriteLabelMapRequest> {
      for await (const part of labelMapParts({ jobId: 'job-1', fencingToken: 1n }, labels, dimensions)) {
        pulled++;
        yield part;
      }
    }
    const channel = createChannel(orchestrator.target);
    const sent = createClient(protocol.WorkerServiceDefinition, channel).writeLabelMap(counted());
    await new Promise((resolve) => setTimeout(resolve, 500));
    // 64 chunks of 1 MiB in all; the server's gRPC reads 16 messages ahead, a few more stand in the sockets.
    expect(pulled).toBeGreaterThan(0);
    expect(pulled).toBeLessThan(32);
    release();
    expect((await sent).sha256).toBe(String(labels.length));
    expect(pulled).toBe(65);
    channel.close();
  });

  it.each([
    ['too short', new Uint8Array(23), { columns: 4, rows: 3, slices: 2 }],
    ['on another grid than the volume', new Uint8Array(24), { columns: 3, rows: 4, slices: 2 }],
  ])('that is %s is refused before it is sent', async (_, labels, dimensions) => {
    orchestrator.onReadVolume = async function* () {
      yield* volumeParts();
      await Promise.resolve();
    };
    await start(async (job) => {
      await job.readVolume();
      await job.writeLabelMap(labels, dimensions);
      return result;
    });
    orchestrator.offer('job-1');
    await until(() => orchestrator.stream.all('fail').length === 1);
    expect(orchestrator.stream.all('fail')[0]?.detail).toBe('worker.invalid-label-map');
  });

  it('that arrived as other bytes is sent again', async () => {
    let writes = 0;
    orchestrator.onWriteLabelMap = async (parts) => {
      const hash = createHash('sha256');
      for await (const { part } of parts) if (part?.$case === 'data') hash.update(part.value);
      return ++writes === 1 ? '0'.repeat(64) : hash.digest('hex');
    };
    await start(async (job) => {
      await job.writeLabelMap(new Uint8Array(24), { columns: 4, rows: 3, slices: 2 });
      return result;
    });
    orchestrator.offer('job-1');
    await until(() => orchestrator.stream.all('complete').length === 1);
    expect(writes).toBe(2);
  });
});

describe('stopping', () => {
  it('lets a running job finish and takes no other', async () => {
    const { jobs, finish, handle } = pending();
    const running = await start(handle, { stopGraceMs: 10_000 });
    orchestrator.offer('job-1');
    await until(() => jobs.length === 1);
    const stopped = running.stop();
    orchestrator.offer('job-2');
    await until(() => orchestrator.stream.all('fail').length === 1);
    expect(orchestrator.stream.all('fail')[0]).toMatchObject({ jobId: 'job-2', detail: 'worker.stopping' });
    finish[0]?.();
    await stopped;
    expect(orchestrator.stream.all('complete').length).toBe(1);
    expect(jobs.length).toBe(1);
    expect(orchestrator.stream.ended).toBe(true);
  });

  it('gives back what does not finish in time, also when the handler does not listen', async () => {
    const running = await start(() => new Promise(() => undefined), { stopGraceMs: 50 });
    orchestrator.offer('job-1');
    await until(() => orchestrator.stream.all('accept').length === 1);
    await running.stop();
    expect(orchestrator.stream.all('fail')[0]).toMatchObject({ jobId: 'job-1', detail: 'worker.job-stopping' });
  });

  it('stops on SIGTERM, and while nobody answers', async () => {
    const before = process.listenerCount('SIGTERM');
    const running = runWorker({ target: '127.0.0.1:9', manifest, handle: pending().handle, logger: silent });
    expect(process.listenerCount('SIGTERM')).toBe(before + 1);
    process.emit('SIGTERM');
    await running.stopped;
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });

  it('stops when its signal aborts', async () => {
    const abort = new AbortController();
    const running = await start(pending().handle, { signal: abort.signal });
    const aborted = once(abort.signal, 'abort');
    abort.abort();
    await aborted;
    await running.stopped;
  });
});
