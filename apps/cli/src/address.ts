import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { NotRunningError } from './errors.js';

/**
 * Where study-index answers: what was given, else the setting the services share, else what the system running on the
 * data folder wrote down.
 * @throws {NotRunningError}
 */
export function studyIndexAddress(given: string | undefined, env: NodeJS.ProcessEnv): string {
  const address = given ?? env['CALLOSUM_STUDY_INDEX_GRPC'];
  if (address) return address;
  const dataDir = resolve(env['CALLOSUM_DATA_DIR'] || '.callosum');
  try {
    const run = JSON.parse(readFileSync(join(dataDir, 'run.json'), 'utf8')) as { readonly studyIndexGrpc?: unknown };
    if (typeof run.studyIndexGrpc === 'string') return run.studyIndexGrpc;
  } catch {
    // No file, or none that can be read: nothing runs here that we may talk to.
  }
  throw new NotRunningError(dataDir);
}
