import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { CallosumError } from '@callosum/kernel';
import { startTelemetry, type Telemetry } from '@callosum/telemetry';
import { afterAll, beforeAll, expect, it } from 'vitest';

import type { EventHandler, EventLog } from '../event-log.js';
import type { ParkedStore } from '../parked.js';
import { fact, topic } from '../test-support/collect.js';
import { EventLogTransport } from './transport.js';

let telemetry: Telemetry;
const server = createServer((request, response) => telemetry.handleMetrics(request, response));
beforeAll(async () => {
  telemetry = startTelemetry({ serviceName: 'callosum', serviceVersion: '0', site: 'default' });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  server.close();
  await telemetry.shutdown();
});

/** What the metric says for each outcome, in a group of its own. */
async function byOutcome(metric: string): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(`${metric}{`));
  return Object.fromEntries(
    lines.map((line) => [/callosum_outcome="([^"]*)"/.exec(line)?.[1] ?? '', Number(line.split(' ').at(-1))]),
  );
}

it('attempts of a replay are counted and timed apart from those of the consumer', async () => {
  const events = [fact('k', 1), fact('k', 2), fact('k', 3)];
  const parked = {
    due: () => Promise.resolve([]),
    hasten: () => Promise.resolve(),
    // As the store does: in order, until one fails.
    replay: async (_key: unknown, handle: EventHandler) => {
      let replayed = 0;
      try {
        for (const event of events) {
          await handle(event);
          replayed += 1;
        }
      } catch {
        return { replayed, left: events.length - replayed, errorCode: 'a.away', retried: true };
      }
      return { replayed, left: 0 };
    },
  } as unknown as ParkedStore;
  const log = {
    subscribe: () => Promise.resolve({ close: () => Promise.resolve() }),
  } as unknown as EventLog;
  const transport = new EventLogTransport({ log, group: 'g', parked, onCrash: () => undefined });
  transport.addHandler(
    topic.name,
    ({ revision }: { revision: number }) =>
      revision === 3
        ? Promise.reject(new CallosumError('a.away', 'unavailable', 'as the test wants it'))
        : Promise.resolve(),
    true,
  );
  transport.markConnected();
  await new Promise<void>((resolve, reject) =>
    transport.listen((error) => (error ? reject(error as Error) : resolve())),
  );
  expect(await transport.replay({ topic: topic.name, key: 'k' })).toMatchObject({ replayed: 2, left: 1 });
  expect(await byOutcome('callosum_events_total')).toEqual({ replayed: 2, 'replay-failed': 1 });
  expect(await byOutcome('callosum_events_duration_count')).toEqual({ replayed: 2, 'replay-failed': 1 });
  // The age of a fact that an outage held up is no lag of its consumer.
  expect(await byOutcome('callosum_events_age_count')).toEqual({});
  await transport.close();
});
