import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';

import { repositoryRoot } from './tools-folder.js';

type Keys = Map<string, Map<string, string>>;
interface KnownResults {
  testKeys(): Keys | undefined;
  knownResult(key: string): number | undefined;
  keepResults(files: readonly object[], keys: ReadonlyMap<string, string>): void;
}

// A workspace of three packages with these very scripts: a builds on b, c on none, d reads all without importing any.
const root = mkdtempSync(join(tmpdir(), 'callosum-known-results-'));
const data = mkdtempSync(join(tmpdir(), 'callosum-known-results-data-'));
let results: KnownResults;

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

beforeAll(async () => {
  cpSync(join(repositoryRoot, 'tools/lib'), join(root, 'tools/lib'), { recursive: true });
  cpSync(join(repositoryRoot, 'tools/workspace.mjs'), join(root, 'tools/workspace.mjs'));
  write('package.json', JSON.stringify({ type: 'module', workspaces: ['libs/*', 'apps/*'] }));
  write('package-lock.json', '{}');
  write('.gitignore', '.nx/\n.tools/\n');
  write('docs/guide.md', 'guide');
  for (const name of ['a', 'b', 'c']) {
    write(`libs/${name}/package.json`, JSON.stringify({ name: `@callosum/${name}` }));
    write(`libs/${name}/src/index.ts`, `export const ${name} = 1;\n`);
    write(`libs/${name}/src/${name}.spec.ts`, `test ${name}\n`);
  }
  write('libs/a/src/index.ts', "import { b } from '@callosum/b';\n");
  write('libs/a/src/second.contract.spec.ts', 'test\n');
  write('libs/c/src/needs-a.spec.ts', "import { a } from '@callosum/a';\n");
  write('libs/d/package.json', JSON.stringify({ name: '@callosum/d', callosum: { testsRead: ['*'] } }));
  write('libs/d/src/d.spec.ts', 'test d\n');
  write('apps/e2e/package.json', JSON.stringify({ name: '@callosum/e2e' }));
  write('apps/e2e/src/whole.spec.ts', "import { d } from '@callosum/d';\n");
  expect(spawnSync('git', ['init', '-q'], { cwd: root }).status).toBe(0);
  vi.stubEnv('CALLOSUM_TEST_DATA', data);
  results = (await import(pathToFileURL(join(root, 'tools/lib/known-results.mjs')).href)) as KnownResults;
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.stubEnv('CALLOSUM_TEST_DATA', data);
});
afterAll(() => {
  vi.unstubAllEnvs();
  for (const folder of [root, data]) rmSync(folder, { recursive: true, force: true });
});

const flat = (): Map<string, string> => new Map([...(results.testKeys() ?? [])].flatMap(([, keys]) => [...keys]));
/** Names of the test files whose results a change makes unknown. */
function unknownAfter(change: () => void): string[] {
  const before = flat();
  expect(before.size).toBe(7);
  change();
  const after = flat();
  return [...before.keys()]
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => path.replace(/^.*\//, '').replace(/(\.contract)?\.spec\.ts$/, ''))
    .sort();
}

const all = ['a', 'b', 'c', 'd', 'needs-a', 'second', 'whole'];

it('sorts test files into their suites', () => {
  const suites = [...(results.testKeys() ?? [])].map(([suite, keys]) => [suite, keys.size]);
  expect(Object.fromEntries(suites)).toEqual({ unit: 5, contract: 1, e2e: 1 });
});

it.each([
  ['nothing', () => undefined, []],
  ['a test file: itself', () => write('libs/a/src/a.spec.ts', 'test other\n'), ['a']],
  // The tests of c import a, which builds on b.
  [
    'a source: all that builds on it, and who reads all',
    () => write('libs/b/src/index.ts', '1\n'),
    ['a', 'b', 'c', 'd', 'needs-a', 'second'],
  ],
  ['a new file of a package', () => write('libs/a/src/golden/one.json', '{}'), ['a', 'c', 'd', 'needs-a', 'second']],
  ['a guide: nothing', () => write('docs/guide.md', 'better'), []],
  ['a README of a package: nothing', () => write('libs/a/README.md', 'better'), []],
  ['the lock file: all', () => write('package-lock.json', '{"a":1}'), all],
  ['a tool: all', () => write('tools/lib/new.mjs', ''), all],
  ['the test data: all', () => writeFileSync(join(data, 'ct.dcm'), 'pixels'), all],
  ['a setting of the environment: all', () => vi.stubEnv('CALLOSUM_KILLS', '3'), all],
  ['a program under .tools: all', () => write('.tools/kafka-0/lib.jar', 'jar'), all],
])('makes unknown, after a change of %s', (_, change, expected) => {
  expect(unknownAfter(change)).toEqual(expected);
});

it('knows a result again on the same inputs, and only one where every test ran and passed', () => {
  const keys = results.testKeys()?.get('unit') ?? new Map<string, string>();
  const [a = '', b = '', c = '', d = ''] = [...keys.keys()];
  results.keepResults(
    [
      { path: a, passed: 3, failed: 0, skipped: 0 },
      { path: b, passed: 3, failed: 1, skipped: 0 },
      { path: c, passed: 3, failed: 0, skipped: 1 },
      { path: d, passed: 0, failed: 0, skipped: 0 },
    ],
    keys,
  );
  const known = (path: string): number | undefined =>
    results.knownResult(results.testKeys()?.get('unit')?.get(path) ?? '');
  expect([a, b, c, d].map(known)).toEqual([3, undefined, undefined, undefined]);
  expect(readdirSync(join(root, '.nx/passed'))).toHaveLength(1);
  write(a, 'another test');
  expect(known(a)).toBeUndefined();
});
