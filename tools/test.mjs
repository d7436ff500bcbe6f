// npm test: everything CI checks. Sets itself up, runs every check, and ends with "N passed, N failed" over all.
// `npm test -- unit contract` runs only the named steps. Outside CI a test file that passed before on the same inputs is
// not run again and not counted; a line before the last says how many those are. `npm test -- --fresh` runs all (docs/adr/0025).
import { join } from 'node:path';

import { missingDeployTools } from './lib/deploy-tools.mjs';
import { prefetchServers, preparePeers } from './lib/peers.mjs';
import { build, install, onNode24, root, say } from './lib/setup.mjs';
import { runChecks } from './lib/steps.mjs';
import { runSuite } from './lib/suites.mjs';
import { fetchViewer } from './lib/viewer.mjs';

const started = Date.now();
const secondsSince = (begin) => Math.round((Date.now() - begin) / 1000);

// Network and disk mostly: none waits for the other.
const [missing] = await Promise.all([preparePeers(), install()]);
await onNode24();
say(`set up after ${secondsSince(started)} s`);

const options = process.argv.slice(2);
const only = options.filter((option) => !option.startsWith('--'));
const isChosen = (name) => only.length === 0 || only.includes(name);
const isCached = !process.env.CI && !options.includes('--fresh');
const results = [];

function record(name, { passed, failed, skipped = 0, known = 0, seconds }) {
  results.push({ passed, failed, skipped, known });
  const more = `${skipped ? `, ${skipped} skipped` : ''}${known ? `, ${known} known from earlier and not run` : ''}`;
  say(`${failed > 0 ? 'FAILED' : 'ok    '}  ${name}: ${passed} passed, ${failed} failed${more} (${seconds} s)`);
}

for (const line of missing) say(`missing: ${line}`);
const begin = Date.now();
const viewer = fetchViewer();
await build();
if (isChosen('build')) record('build', { passed: 1, failed: 0, seconds: secondsSince(begin) });
await viewer;
const fetched = isChosen('contract') || isChosen('e2e') ? prefetchServers() : undefined;

const bin = (name) => join(root, 'node_modules', '.bin', name);
const node = process.execPath;
const cacheAt = (place) => ['--cache', '--cache-location', `.nx/${place}`];
/** A check is one test: it passes when the command exits with 0. The longest first. */
const checks = [
  { name: 'lint', command: bin('eslint'), args: ['.', '--max-warnings', '0', ...cacheAt('eslintcache')] },
  { name: 'types', command: bin('tsc'), args: ['-p', 'tsconfig.check.json'] },
  { name: 'boundaries', command: node, args: ['tools/boundaries.mjs'] },
  {
    name: 'format',
    command: bin('prettier'),
    args: ['--check', '--log-level', 'warn', ...cacheAt('prettiercache'), '.'],
  },
  { name: 'contracts', command: node, args: ['tools/contracts.mjs', 'check'] },
  { name: 'telemetry', command: node, args: ['tools/telemetry.mjs'] },
  { name: 'docs', command: node, args: ['tools/docs.mjs', '--check'] },
  { name: 'references', command: node, args: ['tools/sync.mjs', '--check'] },
].filter(({ name }) => isChosen(name));
await runChecks(checks, (name, isGood, seconds) =>
  record(name, { passed: isGood ? 1 : 0, failed: isGood ? 0 : 1, seconds }),
);

/** A suite counts its own tests. */
async function suite(name) {
  if (!isChosen(name)) return;
  const begin = Date.now();
  say(`\n── ${name} tests`);
  const { testKeys, knownResult, keepResults } = await import('./lib/known-results.mjs');
  const keys = isCached ? testKeys()?.get(name) : undefined;
  const earlier = [...(keys ?? [])].flatMap(([path, key]) => {
    const passed = knownResult(key);
    return passed === undefined ? [] : [{ path, passed }];
  });
  const known = earlier.reduce((sum, { passed }) => sum + passed, 0);
  const skip = new Set(earlier.map(({ path }) => path));
  const left = skip.size > 0 ? [...keys.keys()].filter((path) => !skip.has(path)) : undefined;
  if (known > 0)
    say(`${known} tests in ${skip.size} files passed earlier on the same inputs; ${left.length} files to run`);
  const { files, failed } = left?.length === 0 ? { files: [], failed: 0 } : await runSuite(name, left);
  // Whoever edits while tests run gets no result for what was not tested.
  if (keys) keepUnchanged(files, keys, testKeys()?.get(name), keepResults);
  const total = (field) => files.reduce((sum, file) => sum + file[field], 0);
  record(name, {
    passed: total('passed'),
    failed,
    skipped: total('skipped'),
    known,
    seconds: secondsSince(begin),
  });
}

function keepUnchanged(files, before, after, keep) {
  keep(
    files.filter(({ path }) => after?.get(path) === before.get(path)),
    before,
  );
}

await suite('unit');
const absent = process.env.CI || !isChosen('helm') ? [] : missingDeployTools();
for (const line of absent) say(`missing: ${line} (step helm is not run)`);
if (absent.length === 0) await suite('helm');
await fetched;
await suite('contract');
await suite('e2e');

const total = (field) => results.reduce((sum, result) => sum + result[field], 0);
const skipped = total('skipped');
let failed = total('failed');
if (skipped > 0 && process.env.CI) {
  say(`\n${skipped} tests were skipped: in CI that is a failure`);
  failed += skipped;
}
if (total('known') > 0)
  say(
    `\n${total('known')} more tests passed earlier on the same inputs and were not run now (npm test -- --fresh runs all; CI always does)`,
  );
say(`\n${secondsSince(started)} s in all`);
process.stdout.write(`${total('passed')} passed, ${failed} failed\n`);
process.exit(failed > 0 ? 1 : 0);
