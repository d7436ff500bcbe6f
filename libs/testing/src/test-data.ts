import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { repositoryRoot } from './tools-folder.js';

/**
 * Path inside the shared test data (environment variable CALLOSUM_TEST_DATA, else ../shared/data beside the
 * repository), e.g. `testDataPath('studies', 'ct-chest')`. Undefined when it is not on this machine: use phantoms.
 */
export function testDataPath(...parts: readonly string[]): string | undefined {
  const base = process.env['CALLOSUM_TEST_DATA'] ?? join(repositoryRoot, '../shared/data');
  const path = resolve(repositoryRoot, base, ...parts);
  return existsSync(path) ? path : undefined;
}
