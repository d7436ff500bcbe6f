import { imaging, topics } from '@callosum/contracts';
import { type LogEvent, ParkedStore, PostgresOutbox } from '@callosum/event-log';
import { newId } from '@callosum/kernel';
import { beforeEach, describe, expect, it } from 'vitest';

import type { StoredInstance } from './domain/instance.js';
import { studyIndex } from './index.js';
import { slice, store, uid } from './test-support/objects.js';
import {
  changes,
  clearIndex,
  complete,
  completion,
  database,
  events,
  index,
  letPass,
  periods,
  send,
  sweep,
  useIndex,
  waiting,
} from './test-support/study-index.js';
import { group } from './tokens.js';

useIndex();
beforeEach(clearIndex);

/** Milliseconds until the next look at the study. */
async function nextLookMs(): Promise<number> {
  const { rows } = await database.pool.query<{ ms: number }>(
    'select extract(epoch from quiet_until - now())::float8 * 1000 as ms from study where study_instance_uid = $1',
    [uid('s')],
  );
  return rows[0]?.ms ?? Number.NaN;
}

describe('studies that stand still, in numbers', () => {
  it('are those whose quiet period is over, and their age is that of the first', async () => {
    const waits = () => completion().waiting();
    expect(await waits()).toEqual({ count: 0, oldestAgeSeconds: 0, held: 0 });
    for (const study of ['s', 't']) {
      await send(slice(study, 'a', 1));
      // Still in its quiet period: no wait.
      const before = await waits();
      store(slice(study, 'a', 2));
      await letPass(periods.quietPeriodMs);
      await sweep();
      const { count, oldestAgeSeconds } = await waits();
      expect(count).toBe(before.count + 1);
      expect(oldestAgeSeconds - (study === 's' ? 0 : 3_600)).toBeGreaterThanOrEqual(0);
      expect(oldestAgeSeconds - (study === 's' ? 0 : 3_600)).toBeLessThan(60);
    }
    await send(slice('s', 'a', 2));
    expect((await waits()).count).toBe(1);
    await complete();
    expect((await waits()).count).toBe(1);
    await send(slice('t', 'a', 2));
    await complete();
    expect(await waits()).toEqual({ count: 0, oldestAgeSeconds: 0, held: 0 });
  });

  it('count one whose look fails too', async () => {
    await send(slice('s', 'a', 1));
    await letPass(periods.quietPeriodMs);
    const broken = { sourceInstancesOf: () => Promise.reject(new Error('a page is broken')) };
    await completion(broken).settleNextDue();
    await letPass(7_200_000);
    const { count, oldestAgeSeconds } = await completion().waiting();
    expect(count).toBe(1);
    expect(Math.floor(oldestAgeSeconds / 3_600)).toBe(2);
  });

  it('are what study-index tells at /metrics', async () => {
    await send(slice('s', 'a', 1));
    store(slice('s', 'a', 2));
    await letPass(periods.quietPeriodMs);
    await sweep();
    await letPass(7_200_000);
    const readings = await studyIndex.gauges?.({ get: () => completion() } as never);
    expect(readings?.map(({ name, value }) => [name, Math.floor(value / 60)])).toEqual([
      ['callosum.completion.waiting', 0],
      ['callosum.completion.oldest_age', 120],
      ['callosum.completion.held', 0],
    ]);
    expect(readings?.[0]?.value).toBe(1);
  });
});

describe('a study of which acknowledged instances are not indexed', () => {
  it('is not complete when its quiet period ends, and completes once and whole when they are', async () => {
    await send(slice('s', 'a', 1));
    const late = [store(slice('s', 'a', 2)), store(slice('s', 'b', 1))];
    await letPass(periods.quietPeriodMs);
    expect(await sweep()).toBe(0);
    expect(waiting).toMatchObject([{ studyInstanceUid: uid('s'), revision: 1, missing: 2, tell: true }]);
    // The log is read again.
    for (const stored of late) await index(stored);
    expect(await sweep()).toBe(0);
    await complete();
    const told = (await events()).filter(({ topic }) => topic === topics.studyCompleted.name);
    expect(told.map(({ value }) => [value['revision'], value['series']])).toEqual([
      [
        1,
        [
          { seriesInstanceUid: uid('s/a'), modality: 'CT', instanceCount: 2 },
          { seriesInstanceUid: uid('s/b'), modality: 'CT', instanceCount: 1 },
        ],
      ],
    ]);
  });

  it('holds no other study up', async () => {
    await send(slice('s', 'a', 1));
    store(slice('s', 'a', 2));
    await send(slice('t', 'a', 1));
    await letPass(periods.quietPeriodMs);
    expect(await sweep()).toBe(1);
    expect(await changes()).toEqual(['created 1', 'created 1', 'completed 1']);
  });

  it('is looked at again after pauses that grow to half a minute, and told of once an hour', async () => {
    await send(slice('s', 'a', 1));
    store(slice('s', 'a', 2));
    await letPass(periods.quietPeriodMs);
    await sweep();
    expect(await nextLookMs()).toBeGreaterThan(500);
    expect(await nextLookMs()).toBeLessThanOrEqual(1_000);
    // Not due yet: no second look.
    await sweep();
    expect(waiting).toHaveLength(1);
    await letPass(20_000);
    await sweep();
    expect(await nextLookMs()).toBeGreaterThan(9_000);
    for (let minutes = 0; minutes < 130; minutes += 5) {
      await letPass(300_000);
      await sweep();
      expect(await nextLookMs()).toBeLessThanOrEqual(30_000);
    }
    expect(waiting.filter(({ tell }) => tell).map(({ waitedSeconds }) => Math.floor(waitedSeconds / 3600))).toEqual([
      0, 1, 2,
    ]);
    expect(await changes()).toEqual(['created 1']);
  });

  it('waits for a correction too, and in a later revision', async () => {
    await send(slice('s', 'a', 1));
    await complete();
    await send(slice('s', 'a', 2));
    const corrected = store(slice('s', 'a', 1, { PatientSex: 'M' }), { revision: 2 });
    await letPass(periods.quietPeriodMs);
    expect(await sweep()).toBe(0);
    expect(waiting).toMatchObject([{ revision: 2, missing: 1 }]);
    await index(corrected);
    await complete();
  });

  it('waits neither for what Callosum issued nor for what the index has in a newer revision', async () => {
    await send(slice('s', 'a', 1));
    store(slice('s', 'seg', 1, { Modality: 'SEG' }), { issued: true });
    const older = store(slice('s', 'a', 2));
    await send(slice('s', 'a', 2, { PatientSex: 'M' }), { revision: 2 });
    store(slice('s', 'a', 2), { revision: older.instanceRevision });
    await complete();
  });
});

describe('a study with a parked instance', () => {
  const parked = () => new ParkedStore(database.db, new PostgresOutbox({ service: 'study-index' }));
  const key = { group, topic: topics.instanceStored.name, key: uid('s') };
  const factOf = (stored: StoredInstance): LogEvent => ({
    topic: key.topic,
    key: key.key,
    id: newId(),
    type: topics.instanceStored.type,
    source: '/callosum/contract',
    time: new Date(),
    site: 'default',
    correlationId: newId(),
    value: JSON.stringify(
      topics.instanceStored.message.toJSON(imaging.InstanceStored.fromPartial({ ...stored, current: true } as never)),
    ),
  });
  const drop = () => parked().drop(key, { droppedBy: 'operator', reason: 'unreadable' });

  it('waits until a person replays it', async () => {
    await send(slice('s', 'a', 1));
    const broken = store(slice('s', 'a', 2));
    await parked().park(group, factOf(broken), 'dicom.parse');
    await letPass(periods.quietPeriodMs);
    expect(await sweep()).toBe(0);
    await letPass(24 * 3_600_000);
    expect(await sweep()).toBe(0);
    const replayed = await parked().replay(key, async () => void (await index(broken)));
    expect(replayed).toEqual({ replayed: 1, left: 0 });
    await complete();
  });

  it('completes without it at the next look when a person gives it up', async () => {
    await send(slice('s', 'a', 1));
    await parked().park(group, factOf(store(slice('s', 'a', 2))), 'dicom.parse');
    await parked().park(
      group,
      { ...factOf(store(slice('s', 'a', 2))), id: newId(), value: '{' },
      'event-log.malformed',
    );
    await letPass(periods.quietPeriodMs);
    expect(await sweep()).toBe(0);
    await drop();
    await letPass(1_000);
    expect(await sweep()).toBe(1);
  });

  it('goes on waiting for a newer object of an instance whose older one was given up', async () => {
    await send(slice('s', 'a', 1));
    await parked().park(group, factOf(store(slice('s', 'a', 2))), 'dicom.parse');
    await drop();
    const resent = store(slice('s', 'a', 2, { PatientSex: 'M' }), { revision: 2 });
    await letPass(periods.quietPeriodMs);
    expect(await sweep()).toBe(0);
    await index(resent);
    await complete();
  });
});
