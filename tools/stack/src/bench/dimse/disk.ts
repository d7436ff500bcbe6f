import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Mount {
  readonly mountPoint: string;
  /** As the kernel names it: ext4, xfs, tmpfs … */
  readonly type: string;
  readonly source: string;
}

/** Kept in memory: nothing is durable there, and a flush costs nothing. */
const inMemory = new Set(['tmpfs', 'ramfs']);

/**
 * The mount a path lies on.
 * @param path without symbolic links
 * @param mountInfo the text of proc(5), /proc/pid/mountinfo
 */
export function mountOf(path: string, mountInfo = readFileSync('/proc/self/mountinfo', 'utf8')): Mount {
  let found: Mount | undefined;
  for (const line of mountInfo.split('\n')) {
    const fields = line.split(' ');
    const separator = fields.indexOf('-');
    const [mountPoint, type, source] = [fields[4], fields[separator + 1], fields[separator + 2]];
    if (separator < 0 || !mountPoint || !type || !source) continue;
    const at = unescaped(mountPoint);
    const holds = at === '/' || path === at || path.startsWith(`${at}/`);
    // Of two at the same place the later one covers the other.
    if (holds && at.length >= (found?.mountPoint.length ?? 0)) found = { mountPoint: at, type, source };
  }
  if (!found) throw new Error(`no mount holds ${path}`);
  return found;
}

/** Spaces and the like are written as three octal digits. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** The folder, made when it is not there, on a file system that keeps what is flushed. @throws on one in memory */
export function diskFolder(path: string): { readonly path: string; readonly mount: Mount } {
  mkdirSync(path, { recursive: true });
  const real = realpathSync(path);
  const mount = mountOf(real);
  if (inMemory.has(mount.type))
    throw new Error(`${real} is on ${mount.type}, where nothing is durable: choose another folder with --dir`);
  return { path: real, mount };
}

export const mountText = ({ mountPoint, type, source }: Mount): string => `${type} at ${mountPoint} (${source})`;

/** @throws when less than `bytes` are free where `path` will be */
export async function assertFree(path: string, bytes: number): Promise<void> {
  let at = path;
  while (!existsSync(at)) at = dirname(at);
  const { bavail, bsize } = await statfs(at);
  if (bavail * bsize < bytes)
    throw new Error(
      `${Math.ceil(bytes / 1e9)} GB are needed in ${path}, ${Math.floor((bavail * bsize) / 1e9)} GB are free`,
    );
}

/** Writes everything of this file system that is still in memory to its disk (syncfs). @returns seconds it took */
export async function flush(path: string): Promise<number> {
  const started = performance.now();
  await run('sync', ['--file-system', path]);
  return (performance.now() - started) / 1000;
}
