// The three suites and what vitest says of them, counted honestly: a file that does not run at all is a failure.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';

import { root } from './setup.mjs';

/**
 * The suite of a test file, by its path; undefined for what is no test, and for those of deployments, whose inputs lie outside
 * any project: they run each time, and for the one that only `npm run test:long` runs. The same rule as vitest.config.ts has.
 */
export function suiteOf(path) {
  if (!/^(apps|examples|libs|tools)\/.*\.spec\.ts$/.test(path)) return undefined;
  if (path.startsWith('tools/deploy/') || path === 'apps/e2e/src/upgrade.spec.ts') return undefined;
  if (path.startsWith('apps/e2e/')) return 'e2e';
  return path.endsWith('.contract.spec.ts') ? 'contract' : 'unit';
}

/**
 * Runs a suite, or only the given files of it. Returns for each file {path, passed, failed, skipped, seconds}, and
 * `failed`: over all files, at least 1 when vitest itself failed.
 */
export async function runSuite(name, only) {
  const report = join(root, '.nx', `test-${name}.json`);
  mkdirSync(join(root, '.nx'), { recursive: true });
  rmSync(report, { force: true });
  const child = spawn(
    process.execPath,
    [
      join(root, 'node_modules', 'vitest', 'vitest.mjs'),
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...(only ?? []),
    ],
    { cwd: root, stdio: ['ignore', 2, 2], env: { ...process.env, CALLOSUM_SUITE: name } },
  );
  const status = await new Promise((resolve) => child.once('exit', resolve));
  return readReport(report, status, only);
}

function readReport(report, status, only) {
  let results;
  try {
    results = JSON.parse(readFileSync(report, 'utf8')).testResults;
  } catch {
    return { files: [], failed: 1 };
  }
  const files = results.map((file) => {
    const count = (...wanted) => file.assertionResults.filter((test) => wanted.includes(test.status)).length;
    const failed = count('failed');
    return {
      path: relative(root, file.name).replaceAll('\\', '/'),
      passed: count('passed'),
      // A file that fails without a failed test could not be loaded, or its hooks failed.
      failed: failed === 0 && file.status === 'failed' ? 1 : failed,
      skipped: file.assertionResults.length - count('passed', 'failed'),
      seconds: Math.round((file.endTime - file.startTime) / 1000),
    };
  });
  const seen = new Set(files.map(({ path }) => path));
  const lost = (only ?? []).filter((path) => !seen.has(path)).length;
  const failed = files.reduce((sum, file) => sum + file.failed, lost);
  return { files, failed: failed === 0 && status !== 0 ? 1 : failed };
}
