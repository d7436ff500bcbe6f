import {
  accessSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import { CallosumError } from '@callosum/kernel';

/** Thrown when another living process of Callosum uses the data folder. */
export class DataFolderInUseError extends CallosumError {
  constructor(folder: string, pid: number) {
    super(
      'config.data-folder-in-use',
      'conflict',
      `${folder} is in use by process ${pid}; stop it or choose another CALLOSUM_DATA_DIR`,
    );
  }
}

/** Thrown when the data folder is not there and cannot be made. */
export class DataFolderUnusableError extends CallosumError {
  constructor(folder: string, cause: unknown) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    super('config.data-folder-unusable', 'invalid', `CALLOSUM_DATA_DIR: ${folder} cannot be used (${reason})`, {
      cause,
    });
  }
}

/** Entered by the database's system user, listed by its owner only. */
const folderMode = 0o711;

/**
 * Makes the data folder where it is missing. One level after the other: `mkdirSync(recursive)` never returns where the
 * system refuses a folder under an existing parent with ENOENT, as /proc does.
 * @throws {DataFolderUnusableError}
 */
export function makeDataFolder(folder: string): void {
  const missing: string[] = [];
  for (let path = resolve(folder); !existsSync(path); path = dirname(path)) missing.unshift(path);
  try {
    for (const path of missing) mkdirSync(path, { mode: folderMode });
    accessSync(folder, constants.W_OK | constants.X_OK);
    if (!statSync(folder).isDirectory()) throw Object.assign(new Error('no folder'), { code: 'ENOTDIR' });
  } catch (cause) {
    throw new DataFolderUnusableError(folder, cause);
  }
}

/**
 * Takes the data folder for this process; the returned function gives it back. A lock left by a process that is
 * gone (kill -9, power) is taken over.
 * @throws {DataFolderInUseError} @throws {DataFolderUnusableError}
 */
export function lockDataFolder(folder: string): () => void {
  makeDataFolder(folder);
  const path = join(folder, 'callosum.lock');
  // Written whole aside and linked into place: a lock that exists names its holder, whatever was killed when.
  const mine = `${path}.${process.pid}`;
  writeFileSync(mine, identity(process.pid), { mode: 0o644 });
  try {
    for (;;) {
      try {
        linkSync(mine, path);
        return () => rmSync(path, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const held = readFileSync(path, 'utf8');
      const pid = Number(held.split(' ')[0]);
      if (held !== '' && pid !== process.pid && identity(pid) === held) throw new DataFolderInUseError(folder, pid);
      rmSync(path, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/**
 * For whoever is about to start a process on the folder and writes to a file in it before that process asks for the lock.
 * @throws {DataFolderInUseError} when a living process holds it
 */
export function assertDataFolderFree(folder: string): void {
  const path = join(folder, 'callosum.lock');
  const held = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const pid = Number(held.split(' ')[0]);
  if (held !== '' && identity(pid) === held) throw new DataFolderInUseError(folder, pid);
}

/** "pid start-time": a pid that the system gave to another process since does not count. Empty when it is gone. */
function identity(pid: number): string {
  if (!Number.isInteger(pid) || pid <= 0) return '';
  const stat = `/proc/${pid}/stat`;
  if (existsSync(stat)) {
    // Field 22, counted after the command's closing parenthesis, is the start time in clock ticks.
    const fields = readFileSync(stat, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return fields[0] === 'Z' ? '' : `${pid} ${fields[19] ?? ''}`;
  }
  if (existsSync('/proc/self/stat')) return '';
  try {
    process.kill(pid, 0);
    return `${pid} `;
  } catch {
    return '';
  }
}
