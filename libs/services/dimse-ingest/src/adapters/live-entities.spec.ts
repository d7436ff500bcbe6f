import { expect, it } from 'vitest';

import type { StoredEntity } from '../application/entity-ports.js';
import { LiveEntities } from './live-entities.js';

const stored = (aet: string, host: string, port?: number): StoredEntity => ({
  entity: { aet, host, port },
  revision: 1,
  changedAt: new Date(0),
  changedBy: 'somebody',
});

it('knows the AEs of the setting always, those of the table since it looked, and a title of both by the setting', async () => {
  let rows = [stored('MR1', '10.0.0.2', 104), stored('CT1', '10.6.6.6', 104)];
  let revision = 1;
  const table = { all: () => Promise.resolve(rows), revision: () => Promise.resolve(revision) };
  const entities = new LiveEntities([{ aet: 'CT1', host: '10.0.0.1' }], table);
  expect(await entities.named('MR1')).toEqual([]);
  await entities.refresh();
  expect((await entities.named('CT1')).map(({ host }) => host)).toEqual(['10.0.0.1']);
  expect(await entities.callable('CT1')).toBeUndefined();
  expect(await entities.callable('MR1')).toMatchObject({ port: 104 });
  rows = [];
  await entities.refresh();
  expect(await entities.named('MR1')).toHaveLength(1);
  revision = 2;
  await entities.refresh();
  expect(await entities.named('MR1')).toEqual([]);
});

it('is empty only without any, and keeps what it knows while the table is away', async () => {
  let away = false;
  const rows: StoredEntity[] = [stored('MR1', '10.0.0.2')];
  const entities = new LiveEntities([], {
    all: () => Promise.resolve(rows),
    revision: () => (away ? Promise.reject(new Error('away')) : Promise.resolve(1)),
  });
  expect(entities.isEmpty).toBe(true);
  await entities.refresh();
  away = true;
  await expect(entities.refresh()).rejects.toThrow('away');
  expect(entities.isEmpty).toBe(false);
  expect(await entities.named('MR1')).toHaveLength(1);
});
