// Results of test files that passed before on the very same inputs (docs/adr/0025). A file's inputs are the sources of
// its project, those of the projects it builds on, and what all tests share: tools, lock file, settings, other
// people's programs and the test data. Nothing is read or written where the environment variable CI is set.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';

import { importsOf, projects } from '../workspace.mjs';
import { peerPrograms, venv } from './peers.mjs';
import { root } from './setup.mjs';
import { suiteOf } from './suites.mjs';

const folder = join(root, '.nx', 'passed');
/** Kept so long after their last use. */
const keptDays = 30;
/** No test reads these. Guides and decisions change often and touch nothing that runs. */
const untested = /^(docs\/|\.ci\/|LICENSE$)|\.md$/;

const hashOf = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex');
};

/** Every file of the working tree that git does not ignore, with a hash of its content; undefined without git. */
function sources() {
  const { status, stdout } = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) return undefined;
  const paths = [...new Set(stdout.toString('utf8').split('\0').filter(Boolean))].sort();
  return new Map(
    paths
      .filter((path) => lstatSync(join(root, path), { throwIfNoEntry: false })?.isFile())
      .map((path) => [path, hashOf(readFileSync(join(root, path)))]),
  );
}

/** Names, sizes and times of a tree: enough to tell that it was changed, without reading gigabytes. */
function outline(path, depth = 12) {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return `${path}: none\n`;
  if (!found.isDirectory()) return `${path} ${found.size} ${found.mtimeMs}\n`;
  if (depth === 0) return `${path}/ ${found.mtimeMs}\n`;
  return readdirSync(path)
    .sort()
    .map((name) => outline(join(path, name), depth - 1))
    .join('');
}

/** Other people's programs: which file each is, and the tools and packages that were set up here. */
function peers() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const where = (name) => folders.map((dir) => join(dir, name)).find((path) => existsSync(path));
  const programs = [...peerPrograms, 'docker', 'go', 'sudo', 'bash', 'git'].map((name) => {
    const path = where(name);
    return `${name} ${path ? outline(realpathSync(path)) : 'none'}`;
  });
  return [...programs, outline(join(root, '.tools'), 1), outline(join(venv, 'lib'), 3)].join('\n');
}

function environment() {
  const settings = Object.keys(process.env)
    .filter((name) => /^(CALLOSUM_|OTEL_|NODE_OPTIONS$|DOCKER_|TZ$|LANG$|LC_)/.test(name))
    .sort()
    .map((name) => `${name}=${process.env[name]}`);
  const data = process.env.CALLOSUM_TEST_DATA ?? join(root, '..', 'shared', 'data');
  return [process.version, process.platform, process.arch, process.getuid?.() ?? '', ...settings, outline(data)].join(
    '\n',
  );
}

/**
 * For each project the projects whose sources its tests run: what its tests import, and what that builds on in turn.
 * A test that reads others without importing them says so in its package.json: `"callosum": {"testsRead": ["*"]}`.
 */
function closures(all) {
  const manifest = (dir) => JSON.parse(readFileSync(join(root, dir, 'package.json'), 'utf8'));
  const built = new Map(all.map(({ dir, name }) => [name, importsOf(dir)]));
  return new Map(
    all.map(({ dir, name }) => {
      const read = manifest(dir).callosum?.testsRead ?? [];
      const reached = new Set([name, ...importsOf(dir, { withTests: true })]);
      for (const one of read.includes('*') ? built.keys() : read) reached.add(one);
      for (const one of reached) for (const next of built.get(one) ?? []) reached.add(next);
      return [name, reached];
    }),
  );
}

/** Test files by suite, each with the key of its result; undefined where inputs cannot be told. */
export function testKeys() {
  const files = sources();
  if (!files) return undefined;
  const all = projects();
  const projectOf = (path) => all.find(({ dir }) => path.startsWith(`${dir}/`))?.name;
  const shared = [];
  const own = new Map(all.map(({ name }) => [name, []]));
  for (const [path, hash] of files) {
    if (untested.test(path)) continue;
    const project = projectOf(path);
    const line = `${path} ${hash}`;
    // A test file is an input of its own result and of no other.
    if (!project) shared.push(line);
    else if (!suiteOf(path)) own.get(project).push(line);
  }
  const base = hashOf(shared.join('\n'), peers(), environment());
  const reached = closures(all);
  const keyOf = (path) => {
    const project = projectOf(path);
    const code = [...(reached.get(project) ?? [])].sort().flatMap((name) => own.get(name) ?? []);
    return hashOf(path, base, code.join('\n'), files.get(path));
  };
  const keys = new Map();
  for (const path of files.keys()) {
    const suite = suiteOf(path);
    if (suite) keys.set(suite, (keys.get(suite) ?? new Map()).set(path, keyOf(path)));
  }
  return keys;
}

/** How many tests of a file passed under this key; undefined when that is not known. */
export function knownResult(key) {
  try {
    const path = join(folder, `${key}.json`);
    const { passed } = JSON.parse(readFileSync(path, 'utf8'));
    return Number.isSafeInteger(passed) && passed > 0 ? passed : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps the results of files in which every test ran and passed. */
export function keepResults(files, keys) {
  mkdirSync(folder, { recursive: true });
  for (const { path, passed, failed, skipped } of files) {
    const key = keys.get(path);
    if (key && passed > 0 && failed === 0 && skipped === 0)
      writeFileSync(join(folder, `${key}.json`), JSON.stringify({ path, passed, at: new Date().toISOString() }));
  }
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (Date.now() - statSync(path).mtimeMs > keptDays * 86_400_000) rmSync(path, { force: true });
  }
}
