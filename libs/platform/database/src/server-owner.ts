import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

import { DatabaseUnavailableError } from './errors.js';

const run = promisify(execFile);

/** Whom the embedded server runs as; ourselves when empty. */
export interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

/** Whoever starts us may have a PATH without the system's own programs. */
const systemPath = { PATH: `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin` };

/** Whether `test` with these words holds for the owner. */
export const passes = (test: readonly string[], owner: Owner): Promise<boolean> =>
  run('test', [...test], { ...owner, cwd: '/', env: systemPath }).then(
    () => true,
    () => false,
  );

/**
 * PostgreSQL refuses to run as root: then the system user `postgres` owns it, created when absent.
 * @throws {DatabaseUnavailableError} when it cannot be created
 */
export async function serverOwner(): Promise<Owner> {
  if (process.getuid?.() !== 0) return {};
  const lookUp = async (): Promise<Owner | undefined> => {
    const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((entry) => entry.startsWith('postgres:'));
    const [, , uid, gid] = line?.split(':') ?? [];
    return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined;
  };
  const known = await lookUp();
  if (known) return known;
  await run('useradd', ['--system', '--user-group', '--no-create-home', 'postgres'], { env: systemPath });
  const created = await lookUp();
  if (!created) throw new DatabaseUnavailableError('the system user postgres could not be created');
  return created;
}
