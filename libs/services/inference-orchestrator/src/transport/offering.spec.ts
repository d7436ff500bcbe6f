import { Waker } from '@callosum/event-log';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import type { HeldJob } from '../application/ports.js';
import type { Manifest } from '../domain/manifest.js';
import { Offering, type OfferedTo } from './offering.js';

const manifestOf = (modelId: string): Manifest => ({ model: { modelId, version: '1' } }) as Manifest;
const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() } as never;

/** Jobs that wait, by model; what is asked of the database is counted. */
class Queue {
  readonly waiting = new Map<string, number>();
  readonly asked = { running: 0, due: 0 };
  /** Jobs that run under their token. */
  held: HeldJob[] = [];

  running(jobs: readonly HeldJob[]): Promise<readonly HeldJob[]> {
    this.asked.running += 1;
    return Promise.resolve(
      jobs.filter((job) => this.held.some((one) => one.jobId === job.jobId && one.fencingToken === job.fencingToken)),
    );
  }

  due(manifests: readonly Manifest[]): Promise<readonly Manifest[]> {
    this.asked.due += 1;
    return Promise.resolve(manifests.filter(({ model }) => (this.waiting.get(model.modelId) ?? 0) > 0));
  }
}

class Stream implements OfferedTo {
  jobs: HeldJob[] = [];
  offered = 0;
  asked = 0;
  lost: HeldJob[] = [];
  fails = false;

  constructor(
    private readonly queue: Queue,
    private readonly model: string,
    private slots = 1,
  ) {}

  get wants(): Manifest | undefined {
    return this.slots > 0 ? manifestOf(this.model) : undefined;
  }

  takeBack(lost: readonly HeldJob[]): Promise<void> {
    this.lost.push(...lost);
    return Promise.resolve();
  }

  offerOne(): Promise<boolean> {
    this.asked += 1;
    if (this.fails) return Promise.reject(new Error('a manifest this release does not take'));
    const left = this.queue.waiting.get(this.model) ?? 0;
    if (left === 0) return Promise.resolve(false);
    this.queue.waiting.set(this.model, left - 1);
    this.slots -= 1;
    this.offered += 1;
    return Promise.resolve(true);
  }
}

let queue: Queue;
let waker: Waker;
let offering: Offering;
const joined: Stream[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  queue = new Queue();
  waker = new Waker();
  offering = new Offering({ attempts: queue, waker, log });
});
afterEach(async () => {
  for (const stream of joined.splice(0)) await offering.leave(stream);
  vi.useRealTimers();
});

function join(model: string, slots?: number): Stream {
  const stream = new Stream(queue, model, slots);
  joined.push(stream);
  offering.join(stream);
  return stream;
}

it('asks once a second for all streams together, and on behalf of none without a job for its model', async () => {
  const streams = Array.from({ length: 200 }, (_, at) => join(`model-${at % 3}`));
  for (const stream of streams) stream.jobs = [{ jobId: 'x', fencingToken: 1n }];
  await vi.advanceTimersByTimeAsync(10_500);
  expect(queue.asked.due).toBeGreaterThanOrEqual(10);
  expect(queue.asked.due).toBeLessThanOrEqual(12);
  expect(queue.asked.running).toBeLessThanOrEqual(12);
  expect(streams.every(({ asked }) => asked === 0)).toBe(true);
  queue.waiting.set('model-1', 1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(streams.filter(({ offered }) => offered > 0)).toHaveLength(1);
  expect(streams.filter(({ asked }, at) => asked > 0 && at % 3 !== 1)).toEqual([]);
});

it('offers at once when woken', async () => {
  const stream = join('model');
  await vi.advanceTimersByTimeAsync(100);
  queue.waiting.set('model', 1);
  waker.wake();
  await vi.advanceTimersByTimeAsync(1);
  expect(stream.offered).toBe(1);
});

it('deals jobs out in turns: no stream fills its slots while another waits', async () => {
  const streams = [join('model', 4), join('model', 4), join('model', 4)];
  queue.waiting.set('model', 6);
  waker.wake();
  await vi.advanceTimersByTimeAsync(1);
  expect(streams.map(({ offered }) => offered)).toEqual([2, 2, 2]);
  // One job at a time goes round as well.
  for (let at = 0; at < 3; at++) {
    queue.waiting.set('model', 1);
    waker.wake();
    await vi.advanceTimersByTimeAsync(1);
  }
  expect(streams.map(({ offered }) => offered)).toEqual([3, 3, 3]);
});

it('takes back what runs under another token, from the stream that holds the old one only', async () => {
  const [old, now] = [join('model'), join('model')];
  old.jobs = [{ jobId: 'job', fencingToken: 1n }];
  now.jobs = [{ jobId: 'job', fencingToken: 2n }];
  queue.held = [{ jobId: 'job', fencingToken: 2n }];
  await vi.advanceTimersByTimeAsync(1_100);
  expect(old.lost[0]).toEqual({ jobId: 'job', fencingToken: 1n });
  expect(now.lost).toEqual([]);
});

it('lets what fails for one stream be no matter of the others', async () => {
  const [broken, whole] = [join('model'), join('model')];
  broken.fails = true;
  queue.waiting.set('model', 1);
  waker.wake();
  await vi.advanceTimersByTimeAsync(1);
  expect(whole.offered).toBe(1);
});

it('lets a stream go while others stay, and one come while the last one goes', async () => {
  const [first, last] = [join('model'), join('model')];
  await vi.advanceTimersByTimeAsync(100);
  joined.splice(0);
  await offering.leave(first);
  const leaving = offering.leave(last);
  const next = join('model');
  await leaving;
  queue.waiting.set('model', 1);
  await vi.advanceTimersByTimeAsync(1_100);
  expect([first.offered, last.offered, next.offered]).toEqual([0, 0, 1]);
});

it('asks nothing when the last stream has left', async () => {
  const stream = join('model');
  await vi.advanceTimersByTimeAsync(100);
  joined.pop();
  await offering.leave(stream);
  const { due } = queue.asked;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(queue.asked.due).toBe(due);
  // And goes on with the next one.
  join('model');
  await vi.advanceTimersByTimeAsync(1);
  expect(queue.asked.due).toBe(due + 1);
});
