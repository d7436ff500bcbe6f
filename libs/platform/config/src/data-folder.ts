import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

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

/**
 * Takes the data folder for this process; the returned function gives it back. A lock left by a process that is
 * gone (kill -9, power) is taken over.
 * @throws {DataFolderInUseError}
 */
export function lockDataFolder(folder: string): () => void {
  mkdirSync(folder, { recursive: true });
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
