import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { NotRunningError } from './errors.js';

/** The services the command line talks to: the setting they share their address by, and its name in run.json. */
const places = {
  'study-index': { setting: 'CALLOSUM_STUDY_INDEX_GRPC', key: 'studyIndexGrpc' },
  'inference-orchestrator': { setting: 'CALLOSUM_INFERENCE_GRPC', key: 'inferenceGrpc' },
} as const;
export type Place = keyof typeof places;

/**
 * Where a service answers: what was given, else the setting the services share, else what the system running on the
 * data folder wrote down.
 * @throws {NotRunningError}
 */
export function addressOf(service: Place, given: string | undefined, env: NodeJS.ProcessEnv): string {
  const { setting, key } = places[service];
  const address = given ?? env[setting];
  if (address) return address;
  const dataDir = resolve(env['CALLOSUM_DATA_DIR'] || '.callosum');
  try {
    const run = JSON.parse(readFileSync(join(dataDir, 'run.json'), 'utf8')) as Readonly<Record<string, unknown>>;
    const written = run[key];
    if (typeof written === 'string') return written;
  } catch {
    // No file, or none that can be read: nothing runs here that we may talk to.
  }
  throw new NotRunningError(dataDir);
}
