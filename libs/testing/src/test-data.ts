import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { MissingPrerequisite } from './missing-prerequisite.js';
import { repositoryRoot } from './tools-folder.js';

const told = new Set<string>();

/**
 * Path inside the shared test data (environment variable CALLOSUM_TEST_DATA, else ../shared/data beside the
 * repository), e.g. `testDataPath('studies', 'ct-chest')`. Undefined when it is not on this machine: then what is
 * missing and how to get it is printed once, and the tests that need it are skipped.
 * @throws {MissingPrerequisite} in CI (environment variable CI), where nothing is skipped
 */
export function testDataPath(...parts: readonly string[]): string | undefined {
  const base = process.env['CALLOSUM_TEST_DATA'] ?? join(repositoryRoot, '../shared/data');
  const path = resolve(repositoryRoot, base, ...parts);
  if (existsSync(path)) return path;
  const missing = new MissingPrerequisite(
    `the test data ${parts.join('/')} is not here`,
    'put the shared test data (its SOURCES.md says where each file is from) at ../shared/data beside the repository, or say where it is with CALLOSUM_TEST_DATA',
  );
  if (process.env['CI']) throw missing;
  if (!told.has(path)) process.stderr.write(`SKIPPED: ${missing.message}\n`);
  told.add(path);
  return undefined;
}
