import { errorMessage } from '@callosum/kernel';
import { migrateSite } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';

import { services } from './services.js';

// The one command that runs before the services of a version start: Helm's hook, compose's first container, or a
// person's `node apps/all-in-one/dist/migrate.js`. Ends with 1 and the reason when the database is not ready for them.
try {
  await migrateSite(services, process.env, createLogger('migrate', 'info'));
} catch (error) {
  process.stderr.write(`callosum migrate: ${errorMessage(error)}\n`);
  process.exitCode = 1;
}
