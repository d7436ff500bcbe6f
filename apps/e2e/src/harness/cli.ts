import { join } from 'node:path';

import type { Callosum } from './callosum.js';
import { root } from './paths.js';
import { type Finished, run } from './processes.js';

/** `callosum …` as it stands in node_modules/.bin, at the system on the data folder. */
export const callosum = ({ dataDir }: Pick<Callosum, 'dataDir'>, ...args: readonly string[]): Promise<Finished> =>
  run(process.execPath, [join(root, 'apps/cli/bin/callosum.mjs'), ...args], {
    env: { CALLOSUM_DATA_DIR: dataDir, CALLOSUM_SERVICES_GRPC: '', CALLOSUM_STUDY_INDEX_GRPC: '' },
  });
