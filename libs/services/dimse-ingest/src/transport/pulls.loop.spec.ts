import { once } from 'node:events';

import { Waker } from '@callosum/event-log';
import { createLogger } from '@callosum/telemetry';
import { afterEach, describe, expect, it } from 'vitest';

import type { ClaimedPull, Pulls, PullSources } from '../application/pull-ports.js';
import type { PullAttempt, WorkOffPull } from '../application/work-off-pull.js';
import { PullsLoop } from './pulls.loop.js';

interface Waiting {
  readonly source: string;
  readonly wasAway: boolean;
}

let loop: PullsLoop | undefined;
afterEach(() => loop?.beforeApplicationShutdown());

/** A loop whose sources hang until it stops, but for one that answers. @returns those that were asked */
function work(workers: number, waiting: Waiting[]): string[] {
  const asked: string[] = [];
  const claim = (_leaseMs: number, sources: PullSources = 'all') => {
    const at = waiting.findIndex(({ wasAway }) => sources === 'all' || !wasAway);
    const [one] = at < 0 ? [] : waiting.splice(at, 1);
    return Promise.resolve(one && ({ id: one.source, source: one.source } as ClaimedPull));
  };
  const execute = async ({ source }: ClaimedPull, stop: AbortSignal): Promise<PullAttempt> => {
    asked.push(source);
    if (source !== 'ANSWERS') await once(stop, 'abort');
    return { end: 'broken-off' };
  };
  loop = new PullsLoop(
    { claim } as unknown as Pulls,
    { execute } as unknown as WorkOffPull,
    new Waker(),
    { CALLOSUM_PULLS_MAX: workers } as never,
    createLogger('pulls-test', 'silent'),
  );
  loop.onApplicationBootstrap();
  return asked;
}

const away = (count: number): Waiting[] =>
  Array.from({ length: count }, (_, n) => ({ source: `AWAY${n}`, wasAway: true }));

describe('sources of pulls that were away and hang', () => {
  it('leave half of the workers to the others', async () => {
    const waiting = away(6);
    const asked = work(4, waiting);
    await expect.poll(() => asked).toHaveLength(2);
    waiting.push({ source: 'ANSWERS', wasAway: false });
    await expect.poll(() => asked, { timeout: 5_000 }).toContain('ANSWERS');
    expect(asked).toEqual(['AWAY0', 'AWAY1', 'ANSWERS']);
  });

  it('are asked by the only worker there is', async () => {
    const asked = work(1, away(1));
    await expect.poll(() => asked).toEqual(['AWAY0']);
  });
});
