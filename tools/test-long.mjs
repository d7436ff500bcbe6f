// npm run test:long -- AREA: the full counts behind the checks of `npm test`, seeded; figures go into docs/benchmarks.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { preparePeers } from './lib/peers.mjs';
import { fail, prepare, root } from './lib/setup.mjs';
import { fetchViewer } from './lib/viewer.mjs';

const areas = {
  // Of two suites: no suite's name is every file.
  fuzz: {
    suite: '',
    files: [
      'libs/standards/dicom/src/fuzz.spec.ts',
      'libs/standards/dicom/src/render/fuzz.spec.ts',
      'libs/standards/dimse/src/fuzz.contract.spec.ts',
      'libs/services/dimse-ingest/src/fuzz.contract.spec.ts',
      'libs/services/dimse-ingest/src/fuzz-commands.contract.spec.ts',
    ],
    env: { CALLOSUM_FUZZ_RUNS: '20000' },
  },
  search: {
    suite: 'contract',
    files: [
      'libs/services/study-index/src/search-stream.contract.spec.ts',
      'libs/services/dimse-ingest/src/find-stream.contract.spec.ts',
    ],
    env: { CALLOSUM_SEARCH_STUDIES: '100000' },
  },
  kill: { suite: 'e2e', files: ['apps/e2e/src/kill.spec.ts'], env: { CALLOSUM_KILLS: '50' } },
  chaos: {
    suite: 'e2e',
    files: ['apps/e2e/src/chaos.spec.ts'],
    env: { CALLOSUM_KILLS: '200', CALLOSUM_OUTAGES: '3', CALLOSUM_OUTAGE_MS: '30000-60000', CALLOSUM_BROKERS: '3' },
  },
  stow: {
    suite: 'e2e',
    files: ['apps/e2e/src/dicomweb-store-large.spec.ts'],
    env: { CALLOSUM_STOW_MIB: '5120' },
  },
  pictures: { suite: 'e2e', files: ['apps/e2e/src/rendered-load.spec.ts'], env: { CALLOSUM_RENDERS: '256' } },
  upgrade: { suite: 'e2e', files: ['apps/e2e/src/upgrade.spec.ts'], env: {} },
};

const area = areas[process.argv[2]];
if (!area) fail(`npm run test:long -- AREA, which is one of ${Object.keys(areas).join(', ')}`);
await prepare();
await preparePeers();
await fetchViewer();
const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', '--testTimeout=7200000', ...area.files],
  {
    cwd: root,
    stdio: 'inherit',
    env: { CALLOSUM_SEED: '20261122', ...area.env, ...process.env, CALLOSUM_SUITE: area.suite, CALLOSUM_LONG: '1' },
  },
);
process.exit(status ?? 1);
