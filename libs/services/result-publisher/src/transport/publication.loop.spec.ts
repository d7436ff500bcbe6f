import { Waker } from '@callosum/event-log';
import { createLogger } from '@callosum/telemetry';
import { expect, it } from 'vitest';

import type { ClaimedPublication } from '../application/ports.js';
import type { PublishDependencies } from '../application/publish.js';
import type { Publications } from '../application/work-off-publication.js';
import { type FailureCounts, noFailures } from '../domain/attempts.js';
import { PublicationLoop } from './publication.loop.js';

const claim = {
  id: 1,
  kind: 'imaging-study',
  studyInstanceUid: '1.2.3',
  fence: 7,
  failures: noFailures,
} as unknown as ClaimedPublication;

/** A database that goes away while the one publication is worked on, and answers again at the third question after that. */
class AwayInBetween implements Publications {
  readonly said: string[] = [];
  #given = false;
  away = 0;

  claim(): Promise<ClaimedPublication | undefined> {
    if (this.#given) return Promise.resolve(undefined);
    this.#given = true;
    this.away = 2;
    return Promise.resolve(claim);
  }
  retry(): Promise<void> {
    return Promise.reject(new Error('away'));
  }
  giveBack({ fence }: ClaimedPublication, { outages, defects }: FailureCounts, delayMs: number): Promise<void> {
    this.said.push(`${fence} given back after ${outages} outages, ${defects} defects, for ${delayMs} ms`);
    return this.away-- > 0 ? Promise.reject(new Error('away')) : Promise.resolve();
  }
  isOutdated = (): Promise<boolean> => Promise.resolve(false);
  succeed = (): Promise<void> => Promise.reject(new Error('away'));
  settle = (): Promise<void> => Promise.reject(new Error('away'));
  park = (): Promise<void> => Promise.reject(new Error('away'));
}

it('gives a study back whose outcome could not be recorded, once the database answers', async () => {
  const publications = new AwayInBetween();
  const dependencies = { isOutage: () => true } as unknown as PublishDependencies;
  const loop = new PublicationLoop(publications, dependencies, new Waker(), createLogger('test', 'silent'));
  loop.onApplicationBootstrap();
  await expect
    .poll(() => publications.said)
    .toEqual(Array.from({ length: 3 }, () => '7 given back after 1 outages, 0 defects, for 500 ms'));
  await loop.beforeApplicationShutdown();
  expect(publications.said).toHaveLength(3);
});

it('does not ask for ever to give back what no outage keeps: its claim runs out, and other studies have their turn', async () => {
  const publications = new AwayInBetween();
  const dependencies = { isOutage: () => false } as unknown as PublishDependencies;
  const loop = new PublicationLoop(publications, dependencies, new Waker(), createLogger('test', 'silent'));
  let claims = 0;
  const { claim: first } = publications;
  publications.claim = () => {
    claims++;
    return first.call(publications);
  };
  loop.onApplicationBootstrap();
  await expect.poll(() => publications.said).toEqual(['7 given back after 0 outages, 1 defects, for 500 ms']);
  const before = claims;
  // Three workers wait for something to do; the fourth asks again too.
  await expect.poll(() => claims, { timeout: 5_000 }).toBeGreaterThan(before + 4);
  expect(publications.said).toHaveLength(1);
  await loop.beforeApplicationShutdown();
});

it.each([
  ['gives back at its end what it still holds: who starts next need not wait for the claim to run out', 0],
  ['and ends all the same when the database is still away', 9],
])('%s', async (_what, away) => {
  const publications = new AwayInBetween();
  const dependencies = { isOutage: () => true } as unknown as PublishDependencies;
  const loop = new PublicationLoop(publications, dependencies, new Waker(), createLogger('test', 'silent'));
  const { claim: first } = publications;
  publications.claim = async () => {
    const claimed = await first.call(publications);
    publications.away = away;
    return claimed;
  };
  let attempts = 0;
  publications.retry = () => {
    attempts++;
    return Promise.reject(new Error('away'));
  };
  loop.onApplicationBootstrap();
  // Its worker pauses for a second.
  await expect.poll(() => attempts).toBe(1);
  await loop.beforeApplicationShutdown();
  expect(publications.said).toEqual(['7 given back after 1 outages, 0 defects, for 500 ms']);
});
