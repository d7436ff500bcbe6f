import { readFileSync } from 'node:fs';

import { archiveMigrations } from '@callosum/archive';
import { migrationFaults, type Migrations } from '@callosum/database';
import { eventLogMigrations, eventTablesMigrations, operationsMigrations } from '@callosum/event-log';
import { describe, expect, it } from 'vitest';

import { services } from './services.js';

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** Of version 0.1, when tables were small and there was no version before. No name is added here. */
const accepted: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  archive: { '0002-conflicting-studies': 'allows one more value of a column' },
  inference_orchestrator: { '0002-accepted-label-map': 'a foreign key without its cascade' },
  result_publisher: { '0002-corrections': 'allows one more kind of publication' },
};

const sets: [string, Migrations][] = [
  ['the tables of events', eventTablesMigrations],
  ['event_log', eventLogMigrations],
  ['operations', operationsMigrations],
  ['archive', archiveMigrations],
  ...services.map(({ schema, migrations }): [string, Migrations] => [schema, migrations]),
];

describe('every migration lets the version before go on', () => {
  it.each(sets)('of %s', async (schema, migrations) => {
    expect(await migrationFaults(migrations, { version, accepted: accepted[schema] ?? {} })).toEqual([]);
  });

  it('and those accepted without that are still there', () => {
    for (const [schema, names] of Object.entries(accepted))
      expect(Object.keys(new Map(sets).get(schema) ?? {}), schema).toEqual(expect.arrayContaining(Object.keys(names)));
  });
});
