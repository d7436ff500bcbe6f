import { beforeAll, describe, expect, it } from 'vitest';

import { fetchOfLibrary, letStoppedRunnersRest, type Runner, runnerPrototype } from './stopped-runner.js';

const stopped = { running: false, logger: { debug: () => undefined }, consumerGroup: {} } as unknown as Runner;

/** How often a fetcher's loop asks before a timer of this process gets its turn; given up at `askedMax`. */
async function askedBeforeATimer(fetch: Runner['fetch'], askedMax: number): Promise<number> {
  let elapsed = false;
  setTimeout(() => (elapsed = true), 1);
  let asked = 0;
  for (; !elapsed && asked < askedMax; asked++) await fetch.call(stopped, 1);
  return asked;
}

describe('a fetcher that asks a stopped runner', () => {
  beforeAll(letStoppedRunnersRest);

  it('starves the process, as the library has it', async () => {
    expect(await askedBeforeATimer(fetchOfLibrary, 50_000)).toBe(50_000);
  });

  it('lets others have their turn', async () => {
    expect(await askedBeforeATimer(runnerPrototype.fetch, 50_000)).toBeLessThan(5);
  });
});
