import { existsSync } from 'node:fs';
import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A killed server's sessions end by themselves when they notice, within moments. */
const endedWithinMs = 10_000;
const pollMs = 50;

/** True when the process is a PostgreSQL on this data folder. Where there is no /proc, any living process counts. */
export async function isServerOf(pid: number, clusterDir: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  if (!existsSync('/proc/self/cmdline')) return true;
  const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').then(
    (text) => text.split('\0'),
    (): string[] => [],
  );
  return basename(words[0] ?? '') === 'postgres' && words.includes(clusterDir);
}

/** True also for a process that has ended and that nobody has asked for yet. */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Waits until nobody works in the data folder: a server and its sessions have it as their working directory. Then the
 * lock file in it is nobody's, whatever has got its process id since: another program, or the killed server itself,
 * which its parent has not asked for.
 * @returns false when somebody still does, or where there is no /proc to see it
 */
export async function isLeftAlone(clusterDir: string): Promise<boolean> {
  if (!existsSync('/proc/self/cwd')) return false;
  const folder = await realpath(clusterDir);
  for (const deadline = Date.now() + endedWithinMs; ; await sleep(pollMs)) {
    if (!(await worksIn(folder))) return true;
    if (Date.now() > deadline) return false;
  }
}

async function worksIn(folder: string): Promise<boolean> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const places = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')));
  return places.includes(folder);
}
