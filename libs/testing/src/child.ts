import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { repositoryRoot } from './tools-folder.js';

/**
 * Starts a TypeScript file of the repository as a process of its own, to be killed by the test. Its stdout and
 * stderr are pipes; it is killed with the process that started it.
 */
export function spawnTypeScript(path: string, env: Readonly<Record<string, string>> = {}): ChildProcess {
  const register = pathToFileURL(join(repositoryRoot, 'libs/testing/loader/register.mjs')).href;
  const child = spawn(process.execPath, ['--import', register, path], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const onExit = (): void => void child.kill('SIGKILL');
  process.once('exit', onExit);
  child.once('exit', () => process.off('exit', onExit));
  return child;
}
