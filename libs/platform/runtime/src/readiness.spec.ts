import { ObjectStoreFullError } from '@callosum/object-store';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { type DependencyChecks, readinessOf, readinessStatus } from './readiness.js';

const answers = () => Promise.resolve();
const rejects = () => Promise.reject(new Error('away'));
const silent = () => new Promise<never>(() => undefined);

const all: DependencyChecks = { database: answers, eventLog: answers, objectStore: answers, service: answers };
const stores = { usesArchive: true };
const searches = { usesArchive: true, objectStore: 'used' } as const;
const reads = { usesArchive: false, objectStore: 'needed' } as const;
const keepsRows = { usesArchive: false };

afterEach(() => {
  vi.useRealTimers();
});

describe('the readiness of a service', () => {
  it('says of every dependency how it is and whether its doors need it', async () => {
    expect(await readinessOf(stores, { ...all, eventLog: rejects })).toEqual({
      database: { state: 'ok', needed: true },
      eventLog: { state: 'failing', needed: false },
      objectStore: { state: 'ok', needed: true },
      service: { state: 'ok', needed: true },
    });
  });

  it.each([
    ['a store', stores, { database: rejects }, 'not ready'],
    ['a store', stores, { eventLog: rejects }, 'degraded'],
    ['a store', stores, { objectStore: rejects }, 'not ready'],
    ['a store', stores, { service: rejects }, 'not ready'],
    ['a search', searches, { objectStore: rejects }, 'degraded'],
    ['a reader of pixels', reads, { objectStore: rejects }, 'not ready'],
    ['a reader of pixels', reads, { eventLog: rejects }, 'degraded'],
    ['a record of rows', keepsRows, { objectStore: rejects }, 'ready'],
    ['a record of rows', keepsRows, { database: rejects }, 'not ready'],
    ['a store', stores, { objectStore: () => Promise.reject(new ObjectStoreFullError()) }, 'degraded'],
  ] as const)('of %s (%o) without %o: %s', async (_, definition, changed, status) => {
    expect(readinessStatus([await readinessOf(definition, { ...all, ...changed })])).toBe(status);
  });

  it('waits for none longer than 3 s, nor for one after the other', async () => {
    vi.useFakeTimers();
    const asked = readinessOf(stores, { ...all, database: silent, eventLog: silent });
    await vi.advanceTimersByTimeAsync(3_000);
    const report = await asked;
    expect([report['database']?.state, report['eventLog']?.state, report['service']?.state]).toEqual([
      'timeout',
      'timeout',
      'ok',
    ]);
    expect(readinessStatus([report])).toBe('not ready');
  });

  it('takes a check that throws for one that fails', async () => {
    const throwing = (): Promise<void> => {
      throw new Error('not made');
    };
    expect((await readinessOf(keepsRows, { ...all, service: throwing }))['service']?.state).toBe('failing');
  });
});

describe('the readiness of a process', () => {
  it('is that of the worst of its services', async () => {
    const good = await readinessOf(stores, all);
    const degraded = await readinessOf(stores, { ...all, eventLog: rejects });
    const bad = await readinessOf(stores, { ...all, database: rejects });
    expect(readinessStatus([good, good])).toBe('ready');
    expect(readinessStatus([good, degraded])).toBe('degraded');
    expect(readinessStatus([degraded, bad])).toBe('not ready');
  });
});
