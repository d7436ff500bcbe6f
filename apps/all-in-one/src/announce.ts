import { parseArgs } from 'node:util';

import { errorMessage } from '@callosum/kernel';
import { announceSite } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';

import { services } from './services.js';

// After a Kafka that lost its data, before the services start (docs/runbooks/disaster.md):
// `node apps/all-in-one/dist/announce.js --since 2026-11-26T03:00:00Z`, in the image `announce`.
try {
  const { values } = parseArgs({ allowPositionals: true, options: { since: { type: 'string' } } });
  const since = new Date(values.since ?? '');
  // A moment without its offset would be another one on a machine in another zone.
  if (Number.isNaN(since.getTime()) || !/(Z|[+-]\d\d:\d\d)$/.test(values.since ?? ''))
    throw new TypeError('--since TIME is needed: a moment before Kafka lost its data, as 2026-11-26T03:00:00Z');
  await announceSite(services, process.env, since, createLogger('announce', 'info'));
} catch (error) {
  process.stderr.write(`callosum announce: ${errorMessage(error)}\n`);
  process.exitCode = 1;
}
