import { chmodSync, existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../../..', import.meta.url));

/** A folder of the shared test data; undefined where it is not there. */
export function testData(...parts: readonly string[]): string | undefined {
  const path = join(process.env['CALLOSUM_TEST_DATA'] ?? join(root, '..', 'shared', 'data'), ...parts);
  return existsSync(path) ? path : undefined;
}

/** The Python with pydicom, pynetdicom and highdicom that `npm test` prepares. */
export const python = process.env['CALLOSUM_TEST_PYTHON'] ?? join(root, '.tools', 'python', 'bin', 'python');

/** A new empty folder that the database's system user can enter. */
export function newFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `callosum-e2e-${name}-`));
  // mkdtemp makes it private, and the database of a root user runs as another.
  chmodSync(folder, 0o755);
  return folder;
}
