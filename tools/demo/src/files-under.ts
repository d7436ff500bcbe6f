import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface Refused {
  readonly path: string;
  /** For people: why it is not sent. */
  readonly reason: string;
}

export interface FilesFound {
  /** In order of their paths. */
  readonly files: readonly string[];
  readonly refused: Refused[];
}

/**
 * Every file under `folder` (which may be a file itself), through symbolic links too. A file or folder that several names
 * lead to is taken once, by the first of them; so links that lead in a circle end.
 * @throws when `folder` cannot be read
 */
export async function filesUnder(folder: string): Promise<FilesFound> {
  const files: string[] = [];
  const refused: Refused[] = [];
  /** By real path: the name it was first met under. */
  const met = new Map<string, string>();

  async function take(path: string, isTop: boolean): Promise<void> {
    const kind = await stat(path);
    if (!kind.isFile() && !kind.isDirectory())
      return void refused.push({ path, reason: 'it is no file and no folder' });
    const real = await realpath(path);
    const before = met.get(real);
    if (before !== undefined) return void refused.push({ path, reason: `it is ${before} under another name` });
    met.set(real, path);
    if (kind.isFile()) return void files.push(path);
    const names = await readdir(path).catch((error: unknown) => {
      if (isTop) throw error;
      refused.push({ path, reason: reasonOf(error) });
      return [];
    });
    for (const name of names.sort()) await enter(join(path, name));
  }

  async function enter(path: string): Promise<void> {
    try {
      await take(path, false);
    } catch (error) {
      refused.push({ path, reason: reasonOf(error) });
    }
  }

  await take(folder, true);
  return { files: files.sort(), refused };
}

/** Of a failure to look at a file. */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'it is a symbolic link to nothing';
  if (code === 'ELOOP') return 'it is a symbolic link that leads back to itself';
  if (code === 'EACCES' || code === 'EPERM') return 'this user may not read it';
  return message;
}
