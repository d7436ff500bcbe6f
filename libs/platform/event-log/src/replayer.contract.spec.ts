import { type Database } from '@callosum/database';
import { CallosumError, newId } from '@callosum/kernel';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { behindParkedCode, ParkedStore, PostgresOutbox, type LogEvent } from './index.js';
import { Replayer } from './replayer.js';
import { fact, topic, until } from './test-support/collect.js';
import { openService } from './test-support/logs.js';

const group = 'study-index';
let postgres: TestPostgres;
let service: Database<unknown>;
let parked: ParkedStore;

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

beforeEach(async () => {
  service = await openService(await postgres.createDatabase(), `s_${newId().replaceAll('-', '')}`);
  parked = new ParkedStore(service.db, new PostgresOutbox({ service: group }));
  return () => service.close();
});

/** Parked while something was away, and due in this order, seconds apart. */
async function park(code: string, keys: readonly string[]): Promise<void> {
  for (const key of keys) await parked.park(group, fact(key, 1), code, true);
  await sql`update parked set retry_at = now() - interval '2 hours' + make_interval(secs => id)`.execute(service.db);
}

const numbered = (code: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${code}${i}`);

/** Replays what is due with the pauses of a site; what is away by the first letter of the key. */
function replayer(away: ReadonlySet<string>, ...groups: ParkedStore[]) {
  const tried: string[] = [];
  const handle = ({ key }: LogEvent): Promise<void> => {
    tried.push(key);
    const code = key.slice(0, 1);
    return away.has(code)
      ? Promise.reject(new CallosumError(`${code}.away`, 'unavailable', 'as the test wants it'))
      : Promise.resolve();
  };
  const running = groups.map((store) =>
    new Replayer({
      group,
      parked: store,
      replay: (key, options) => store.replay({ ...key, group }, handle, options),
    }).start(),
  );
  return { tried, close: () => Promise.all(running.map((one) => one.close())) };
}

describe('keys that are due', () => {
  it.each([3, 30, 300])(
    'of one that answers again come behind no more than three of %i that are away',
    async (many) => {
      await park('a.away', numbered('a', many));
      await park('b.away', ['b0']);
      const { tried, close } = replayer(new Set(['a']), parked);
      await until('the one that answers', () => tried.includes('b0'), 4_000);
      expect(tried).toEqual(['a0', 'a1', 'a2', 'b0']);
      await close();
      expect((await parked.list(group)).map(({ errorCode }) => errorCode)).toEqual(Array(many).fill('a.away'));
    },
  );

  it('of a code are left out when they are not asked for', async () => {
    await park('a.away', ['a0', 'a1']);
    await park('b.away', ['b0']);
    const due = async (...except: string[]): Promise<string[]> =>
      (await parked.due(group, 10, except)).map(({ key }) => key);
    expect(await due()).toEqual(['a0', 'a1', 'b0']);
    expect(await due('a.away')).toEqual(['b0']);
    expect(await due('a.away', 'b.away')).toEqual([]);
  });

  it('come first once what they wait for answers, also where they were due already, and no other code or group with them', async () => {
    await park('a.away', numbered('a', 10));
    await park('b.away', numbered('b', 3));
    await parked.park(group, fact('b-later', 1), 'b.away', true);
    await parked.park(group, fact('b-wrong', 1), 'b.away');
    await parked.park('another', fact('b-other', 1), 'b.away', true);
    await parked.hasten(group, 'b.away');
    const due = await parked.due(group, 100, []);
    expect(due.map(({ key }) => key)).toEqual(['b0', 'b1', 'b2', 'b-later', ...numbered('a', 10)]);
    expect(await parked.due('another', 100, [])).toEqual([]);
    await parked.hasten(group, 'a.away');
    expect((await parked.due(group, 1, []))[0]?.key).toBe('a0');
    for (const { event, nextAttemptAt } of await parked.list(group))
      expect(nextAttemptAt instanceof Date).toBe(event.key !== 'b-wrong');
  });
});

describe('a fact that parks behind another', () => {
  it('is said to be tried again by the service when the first of its key is, and not when a person must', async () => {
    const behind = (key: string) => parked.parkBehind(group, fact(key, 2), behindParkedCode);
    await parked.park(group, fact('away', 1), 'a.away', true);
    await parked.park(group, fact('wrong', 1), 'a.wrong');
    expect(await behind('away')).toEqual({ retried: true });
    expect(await behind('wrong')).toEqual({ retried: false });
    expect(await behind('free')).toBeUndefined();
    expect((await parked.ofKey({ group, topic: topic.name, key: 'away' }, 10)).total).toBe(2);
  });
});
