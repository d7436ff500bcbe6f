import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** Root of the repository: this file lies in libs/testing/src or libs/testing/dist. */
export const repositoryRoot = join(dirname(fileURLToPath(import.meta.url)), '../../..');

const toolsFolder = join(repositoryRoot, '.tools');
/** A slow download of Kafka's jars takes minutes; an older lock was left by a killed run. */
const lockStaleMs = 600_000;

/**
 * A folder under `.tools` (git-ignored) that `fill` fills once; later calls and other processes reuse it.
 * `fill` works in a staging folder that is renamed into place, so a killed run leaves nothing half done.
 */
export async function cachedTool(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(toolsFolder, name);
  if (existsSync(folder)) return folder;
  await mkdir(toolsFolder, { recursive: true });
  const lock = `${folder}.lock`;
  await acquire(lock, folder);
  try {
    if (existsSync(folder)) return folder;
    const staging = await mkdtemp(`${folder}.staging-`);
    try {
      await fill(staging);
      await rename(staging, folder);
    } catch (error) {
      await rm(staging, { recursive: true, force: true });
      throw error;
    }
    return folder;
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

async function acquire(lock: string, folder: string): Promise<void> {
  for (;;) {
    try {
      await mkdir(lock);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (existsSync(folder)) {
      await sleep(100);
    }
    const age = await stat(lock).then(
      (found) => Date.now() - found.mtimeMs,
      () => 0,
    );
    if (age > lockStaleMs) await rm(lock, { recursive: true, force: true });
    await sleep(200);
  }
}
