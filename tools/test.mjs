// npm test: everything CI checks. Sets itself up, runs every check, and ends with "N passed, N failed" over all.
// `npm test -- unit contract` runs only the named steps.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { missingDeployTools } from './lib/deploy-tools.mjs';
import { preparePeers } from './lib/peers.mjs';
import { build, install, onNode24, root, say } from './lib/setup.mjs';
import { fetchViewer } from './lib/viewer.mjs';

install();
await onNode24();

const only = process.argv.slice(2);
const results = [];
const started = Date.now();
const bin = (name) => join(root, 'node_modules', '.bin', name);

function record(name, passed, failed, skipped, seconds) {
  results.push({ name, passed, failed, skipped });
  say(
    `${failed > 0 ? 'FAILED' : 'ok    '}  ${name}: ${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''} (${seconds} s)`,
  );
}

/** A check is one test: it passes when the command exits with 0. */
function check(name, command, args, env = {}) {
  if (only.length > 0 && !only.includes(name)) return;
  const begin = Date.now();
  say(`\n── ${name}`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], env: { ...process.env, ...env } });
  record(name, status === 0 ? 1 : 0, status === 0 ? 0 : 1, 0, Math.round((Date.now() - begin) / 1000));
}

/** A suite counts its own tests; one that does not run at all fails. */
function suite(name) {
  if (only.length > 0 && !only.includes(name)) return;
  const begin = Date.now();
  say(`\n── ${name} tests`);
  const report = join(root, '.nx', `test-${name}.json`);
  mkdirSync(join(root, '.nx'), { recursive: true });
  rmSync(report, { force: true });
  const { status } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules', 'vitest', 'vitest.mjs'),
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
    ],
    { cwd: root, stdio: ['ignore', 2, 2], env: { ...process.env, CALLOSUM_SUITE: name } },
  );
  const seconds = Math.round((Date.now() - begin) / 1000);
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numFailedTestSuites, testResults } = JSON.parse(
      readFileSync(report, 'utf8'),
    );
    const brokenFiles = testResults.filter(
      (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
    ).length;
    const failed =
      numFailedTests + brokenFiles + (status !== 0 && numFailedTests + brokenFiles + numFailedTestSuites === 0 ? 1 : 0);
    record(name, numPassedTests, failed, numPendingTests, seconds);
  } catch {
    record(name, 0, 1, 0, seconds);
  }
}

if (only.length === 0 || only.includes('build')) {
  const begin = Date.now();
  build();
  record('build', 1, 0, 0, Math.round((Date.now() - begin) / 1000));
} else {
  build();
}
const missing = preparePeers();
for (const line of missing) say(`missing: ${line}`);
await fetchViewer();

check('references', process.execPath, ['tools/sync.mjs', '--check']);
check('types', bin('tsc'), ['-p', 'tsconfig.check.json']);
check('lint', bin('eslint'), ['.', '--max-warnings', '0', '--cache', '--cache-location', '.nx/eslintcache']);
check('format', bin('prettier'), [
  '--check',
  '--log-level',
  'warn',
  '--cache',
  '--cache-location',
  '.nx/prettiercache',
  '.',
]);
check('boundaries', process.execPath, ['tools/boundaries.mjs']);
check('contracts', process.execPath, ['tools/contracts.mjs', 'check']);
check('docs', process.execPath, ['tools/docs.mjs', '--check']);
const absent = process.env.CI ? [] : missingDeployTools();
if (absent.length > 0) for (const line of absent) say(`missing: ${line} (step helm is not run)`);
else suite('helm');
suite('unit');
suite('contract');
suite('e2e');

const total = (field) => results.reduce((sum, result) => sum + result[field], 0);
const skipped = total('skipped');
let failed = total('failed');
if (skipped > 0 && process.env.CI) {
  say(`\n${skipped} tests were skipped: in CI that is a failure`);
  failed += skipped;
}
say(`\n${Math.round((Date.now() - started) / 1000)} s in all`);
process.stdout.write(`${total('passed')} passed, ${failed} failed\n`);
process.exit(failed > 0 ? 1 : 0);
