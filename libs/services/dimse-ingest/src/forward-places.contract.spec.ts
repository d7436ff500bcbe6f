import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { connect, type Database, migrate } from '@callosum/database';
import { eventTablesMigrations, Waker } from '@callosum/event-log';
import { newId } from '@callosum/kernel';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DicomDestinations } from './adapters/dicom-destinations.js';
import { EntityList } from './adapters/entity-list.js';
import { dimseIngestMigrations } from './adapters/migrations.js';
import { PeerOptions } from './adapters/peer-options.js';
import { PostgresForwardQueue } from './adapters/postgres-forward-queue.js';
import type { DimseIngestTables } from './adapters/tables.js';
import { SendForwards } from './application/send-forwards.js';
import { image } from './test-support/images.js';
import { TestDestination } from './test-support/test-destination.js';

const ct = { sopClassUid: '1.2.840.10008.5.1.4.1.1.2', transferSyntaxUid: '1.2.840.10008.1.2.1' };
const count = 24;

/** Several replicas, one destination: real PostgreSQL, real sockets. */
describe('replicas that send to one destination', () => {
  let postgres: TestPostgres;
  let database: Database<DimseIngestTables>;
  let pacs: TestDestination;
  let open = 0;

  beforeAll(async () => {
    postgres = await startPostgres();
    database = connect<DimseIngestTables>(await postgres.createDatabase(), 'public', () => undefined);
    await migrate(database.db as never, 'public', { ...eventTablesMigrations, ...dimseIngestMigrations });
    pacs = await TestDestination.start({
      answer: async () => {
        open = Math.max(open, pacs.open);
        await sleep(5);
        return 0;
      },
    });
  });
  afterAll(async () => {
    await pacs?.close();
    await database?.close();
    await postgres?.stop();
  });

  /** A replica that looks for work until `stop`. */
  const replica = async (stop: AbortSignal): Promise<void> => {
    const queue = new PostgresForwardQueue(database);
    const entities = new EntityList([{ aet: 'PACS', host: '127.0.0.1', port: pacs.port }]);
    const sendForwards = new SendForwards({
      queue,
      entities,
      destinations: new DicomDestinations(new PeerOptions('CALLOSUM'), 5_000),
      rules: { current: () => Promise.resolve([]) },
      objects: {
        current: (_, sopInstanceUid) =>
          Promise.resolve({ ...ct, revision: 1, blobKey: sopInstanceUid, source: 'CT1', issuedByCallosum: false }),
        open: (uid) => Promise.resolve(Readable.from([image(uid)])),
      },
      isOutage: () => false,
      associationsMax: 1,
      idleMs: 500,
      work: new Waker(),
      observe: (_batch, _item, send) => send(),
      onAway: () => undefined,
      onBack: () => undefined,
    });
    while (!stop.aborted) if (!(await sendForwards.execute('PACS', stop))) await sleep(10);
  };

  it('are there one after the other, with their associations, and send each instance once', async () => {
    const stop = new AbortController();
    const replicas = [1, 2, 3].map(() => replica(stop.signal));
    const queue = new PostgresForwardQueue(database);
    for (let n = 1; n <= count; n++) {
      const instance = { ...ct, studyInstanceUid: `1.2.${n % 5}`, sopInstanceUid: `1.2.9.${n}`, revision: 1 };
      const more = { source: 'CT1', issuedByCallosum: false };
      await queue.add({ eventId: newId() }, { ...instance, ...more }, [{ destination: 'PACS', transcode: false }]);
      await sleep(20);
      // Most come while an association is kept, each seventh after it was released.
      if (n % 6 === 0) {
        await expect.poll(() => pacs.taken.length, { timeout: 15_000 }).toBe(n);
        await expect.poll(() => pacs.open, { timeout: 15_000 }).toBe(0);
      }
    }
    stop.abort();
    await Promise.all(replicas);
    expect(new Set(pacs.uids).size).toBe(count);
    expect(open).toBe(1);
    expect(pacs.associations).toBeGreaterThanOrEqual(count / 6);
    expect(pacs.associations).toBeLessThan(count / 2);
  });
});
