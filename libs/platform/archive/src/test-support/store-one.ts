import { readFile } from 'node:fs/promises';

import type { DatabaseConfig } from '@callosum/database';
import { FileObjectStore } from '@callosum/object-store';

import { openArchive } from './open-archive.js';

// A process that stores one object and then answers, to be watched from outside.
const config = JSON.parse(process.env['ARCHIVE_DATABASE'] ?? '') as DatabaseConfig;
const store = new FileObjectStore({ root: process.env['ARCHIVE_ROOT'] ?? '', diskFreeBytesMin: 0 });
const { archive, database } = openArchive(config, store);
const outcome = await archive.store(await readFile(process.env['ARCHIVE_FILE'] ?? ''), {
  origin: 'dimse',
  source: 'CT1',
});
process.stdout.write(`ACKNOWLEDGED ${outcome.status}\n`);
await database.close();
