import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { EventLogUnavailableError, KafkaAccessError } from '../errors.js';
import { SilenceWatch } from './silence-watch.js';

const silentMaxMs = 1_000;

describe('the watch over a consumer', () => {
  let answer: () => Promise<unknown>;
  let asked: number;
  let tripped: number;
  let watch: SilenceWatch;

  beforeEach(() => {
    vi.useFakeTimers();
    [answer, asked, tripped] = [() => Promise.resolve(), 0, 0];
    watch = new SilenceWatch({
      silentMaxMs,
      askCluster: () => (asked++, answer()),
      onSilent: () => tripped++,
    });
    watch.start();
  });
  afterEach(() => {
    watch.stop();
    vi.useRealTimers();
  });
  const away = (): Promise<never> => Promise.reject(new EventLogUnavailableError('away'));
  const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

  it('asks nobody while there are signs', async () => {
    for (let look = 0; look < 30; look++) {
      watch.sign();
      await pass(silentMaxMs / 10);
    }
    expect([asked, tripped]).toEqual([0, 0]);
  });

  it('trips when nothing is heard though the cluster answers', async () => {
    await pass(silentMaxMs);
    expect(tripped).toBe(0);
    await pass(silentMaxMs / 10);
    expect(tripped).toBe(1);
  });

  it('waits as long as the cluster is away, and gives the consumer the whole time after', async () => {
    answer = away;
    await pass(20 * silentMaxMs);
    expect(tripped).toBe(0);
    answer = () => Promise.resolve();
    await pass(0.9 * silentMaxMs);
    expect(tripped).toBe(0);
    watch.sign();
    await pass(silentMaxMs);
    expect(tripped).toBe(0);
    await pass(silentMaxMs / 10);
    expect(tripped).toBe(1);
  });

  it('takes a refusal for an answer', async () => {
    answer = () => Promise.reject(new KafkaAccessError('not allowed'));
    await pass(1.1 * silentMaxMs);
    expect(tripped).toBe(1);
  });

  it('does not count an answer that came after a sign, nor looks while it waits for one', async () => {
    let reply: () => void = () => undefined;
    answer = () => new Promise<void>((resolve) => (reply = resolve));
    await pass(5 * silentMaxMs);
    expect(asked).toBe(1);
    watch.sign();
    reply();
    await pass(silentMaxMs / 10);
    answer = () => Promise.resolve();
    reply();
    await pass(0.8 * silentMaxMs);
    expect(tripped).toBe(0);
  });
});
