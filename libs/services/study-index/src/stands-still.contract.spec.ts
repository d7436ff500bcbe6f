import { imaging, topics } from '@callosum/contracts';
import { type LogEvent, ParkedStore, PostgresOutbox } from '@callosum/event-log';
import { newId, systemClock } from '@callosum/kernel';
import { beforeEach, describe, expect, it } from 'vitest';

import { PostgresCompletionStore } from './adapters/completion.js';
import { StudyStatus } from './adapters/study-status.js';
import { completeDueStudies } from './application/complete-studies.js';
import type { StoredInstance } from './domain/instance.js';
import { slice, store, uid } from './test-support/objects.js';
import {
  acknowledged,
  clearIndex,
  complete,
  completion,
  database,
  index,
  letPass,
  limits,
  periods,
  send,
  sweep,
  useIndex,
} from './test-support/study-index.js';
import { group } from './tokens.js';
import { CompletionLoop } from './transport/completion.loop.js';

useIndex();
beforeEach(clearIndex);

const outbox = () => new PostgresOutbox({ service: 'study-index' });
const quiet = () => letPass(periods.quietPeriodMs);

/** What the archive tells of a study in numbers does not matter here. */
const statusOf = async (study: string) => {
  const intakeOf = () =>
    Promise.resolve({ instances: 1, bytes: 1, issued: 0, firstStoredAt: new Date(0), lastStoredAt: new Date(0) });
  const { intake, completeness } = await new StudyStatus(database.db, { ...acknowledged, intakeOf }).of(uid(study));
  return {
    unindexed: intake?.unindexed,
    total: intake?.unindexedTotal,
    state: completeness?.state,
    waitingSince: completeness?.waitingSince,
  };
};

describe('a study whose look into the ledger fails', () => {
  const failing = (failures: { study: string; error: unknown }[]) => {
    const archive = {
      sourceInstancesOf: (study: string) =>
        study === uid('s') ? Promise.reject(new Error('a page is broken')) : acknowledged.sourceInstancesOf(study),
    };
    const completion = new PostgresCompletionStore(
      database.db,
      outbox(),
      systemClock,
      periods.quietPeriodMs,
      archive,
      limits,
    );
    return completeDueStudies(
      completion,
      () => undefined,
      () => undefined,
      ({ studyInstanceUid, error }) => failures.push({ study: studyInstanceUid, error }),
    );
  };

  it('costs its own turn: the others complete, and it is looked at again after a pause', async () => {
    await send(slice('s', 'a', 1));
    await letPass(1_000);
    await send(slice('t', 'a', 1));
    await send(slice('u', 'a', 1));
    await quiet();
    const failures: { study: string; error: unknown }[] = [];
    expect(await failing(failures)).toBe(2);
    expect(failures).toEqual([{ study: uid('s'), error: new Error('a page is broken') }]);
    // Not due yet.
    expect(await failing(failures)).toBe(0);
    expect(failures).toHaveLength(1);
    expect((await statusOf('s')).waitingSince).toBeDefined();
    await letPass(1_000);
    await failing(failures);
    expect(failures).toHaveLength(2);
    // The ledger answers again.
    await letPass(30_000);
    expect(await sweep()).toBe(1);
    expect(await statusOf('s')).toEqual({ unindexed: [], total: 0, state: 'complete', waitingSince: undefined });
  });

  it('is told of when it is first found, and once an hour from then on', async () => {
    await send(slice('s', 'a', 1));
    await quiet();
    const lines: string[] = [];
    const log = { error: (_: unknown, event: string) => lines.push(event), info: () => undefined };
    const archive = { sourceInstancesOf: () => Promise.reject(new Error('a page is broken')) };
    const store = completion(archive);
    let looks = 0;
    const settle = store.settleNextDue.bind(store);
    store.settleNextDue = async () => {
      const due = await settle();
      if (due) looks++;
      return due;
    };
    store.restartOverdueQuietPeriods = () => Promise.resolve();
    const loop = new CompletionLoop(store, log as never);
    loop.onApplicationBootstrap();
    for (let look = 1; look <= 14; look++) {
      await expect.poll(() => looks, { timeout: 10_000 }).toBe(look);
      await letPass(600_000);
    }
    await loop.beforeApplicationShutdown();
    // Two hours and ten minutes of looks.
    expect(lines).toEqual(['study.look-failed', 'study.look-failed', 'study.look-failed']);
  });

  it('holds nobody back for its study alone: without a database the failure is told as such', async () => {
    const away = new PostgresCompletionStore(
      { transaction: () => ({ execute: () => Promise.reject(new Error('away')) }) } as never,
      outbox(),
      systemClock,
      periods.quietPeriodMs,
      acknowledged,
      limits,
    );
    await expect(away.settleNextDue()).rejects.toThrow('away');
  });
});

it('a study that waits names what is missing of it, corrections too, and since when', async () => {
  await send(slice('s', 'a', 1));
  await complete();
  await send(slice('s', 'a', 2));
  const corrected = store(slice('s', 'a', 1, { PatientSex: 'M' }), { revision: 2 });
  const late = store(slice('s', 'a', 3));
  expect((await statusOf('s')).waitingSince).toBeUndefined();
  await quiet();
  expect(await sweep()).toBe(0);
  const status = await statusOf('s');
  const named = ({ sopInstanceUid, instanceRevision, storedAt }: StoredInstance) => ({
    sopInstanceUid,
    revision: instanceRevision,
    storedAt: storedAt.toISOString(),
  });
  expect(status.unindexed).toEqual([named(corrected), named(late)]);
  expect(Date.now() - Date.parse(status.waitingSince ?? '')).toBeLessThan(60_000);
  await index(corrected);
  expect((await statusOf('s')).unindexed).toEqual([named(late)]);
});

describe('a fact that nobody can read, dropped by a person', () => {
  const parked = () => new ParkedStore(database.db, outbox());
  const key = { group, topic: topics.instanceStored.name, key: uid('s') };
  /** The archive makes a fact when it has the object. */
  const factOf = ({ storedAt }: StoredInstance, value = '{"sopInstanceUid": 1'): LogEvent => ({
    topic: key.topic,
    key: key.key,
    id: newId(),
    type: topics.instanceStored.type,
    source: '/callosum/contract',
    time: new Date(storedAt.getTime() + 100),
    site: 'default',
    correlationId: newId(),
    value,
  });
  const park = async (fact: LogEvent) => {
    await parked().park(group, fact, 'event-log.malformed');
    return fact.id;
  };
  const drop = (eventId?: string) =>
    parked().drop(key, { ...(eventId ? { eventId } : {}), droppedBy: 'operator', reason: 'unreadable' });
  const look = async () => {
    await letPass(30_000);
    return sweep();
  };

  it.each(['{', '{}'])('frees its study at the next look (%s)', async (value) => {
    await send(slice('s', 'a', 1));
    await park(factOf(store(slice('s', 'a', 2)), value));
    await quiet();
    expect(await sweep()).toBe(0);
    await drop();
    expect(await look()).toBe(1);
    expect((await statusOf('s')).unindexed).toEqual([]);
  });

  it('frees it of one instance, and of none that came after it', async () => {
    await send(slice('s', 'a', 1));
    const broken = store(slice('s', 'a', 2));
    await park(factOf(broken));
    await drop();
    const later = store(slice('s', 'a', 3));
    await quiet();
    expect(await sweep()).toBe(0);
    await index(later);
    await complete();
    // The one drop is for one instance, whichever: two are missing here.
    const other = [store(slice('s', 'b', 1)), store(slice('s', 'b', 2))];
    await send(slice('s', 'c', 1));
    await quiet();
    expect(await sweep()).toBe(0);
    for (const one of other) await index(one);
    await complete();
  });

  it('frees it of nothing while a person has not decided on all that is parked', async () => {
    await send(slice('s', 'a', 1));
    const first = store(slice('s', 'a', 2));
    const readable = JSON.stringify(
      topics.instanceStored.message.toJSON(imaging.InstanceStored.fromPartial({ ...first, current: true } as never)),
    );
    await park(factOf(first, readable));
    const id = await park(factOf(store(slice('s', 'a', 3))));
    await drop(id);
    // Its object came again by another way: one is missing, one fact was dropped, and they are not the same.
    await index(store(slice('s', 'a', 3)));
    await quiet();
    expect(await sweep()).toBe(0);
    expect((await statusOf('s')).total).toBe(1);
    await index(first);
    await complete();
  });
});
