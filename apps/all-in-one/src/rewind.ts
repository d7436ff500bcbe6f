import { parseArgs } from 'node:util';

import { errorMessage } from '@callosum/kernel';
import { rewindSite } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';

import { services } from './services.js';

// After a restored database, before the services start (docs/runbooks/restore.md):
// `node apps/all-in-one/dist/rewind.js --to 2026-11-26T03:00:00Z [--group study-index]`, in the image `rewind`.
try {
  const { values } = parseArgs({
    allowPositionals: true,
    options: { to: { type: 'string' }, group: { type: 'string', multiple: true } },
  });
  const to = new Date(values.to ?? '');
  // A moment without its offset would be another one on a machine in another zone.
  if (Number.isNaN(to.getTime()) || !/(Z|[+-]\d\d:\d\d)$/.test(values.to ?? ''))
    throw new TypeError('--to TIME is needed: a moment before the back-up, as 2026-11-26T03:00:00Z');
  const unknown = values.group?.find((group) => !services.some(({ name }) => name === group));
  if (unknown) throw new TypeError(`there is no service ${unknown}`);
  const chosen = services.filter(({ name }) => values.group?.includes(name) ?? true);
  await rewindSite(chosen, process.env, to, createLogger('rewind', 'info'));
} catch (error) {
  process.stderr.write(`callosum rewind: ${errorMessage(error)}\n`);
  process.exitCode = 1;
}
