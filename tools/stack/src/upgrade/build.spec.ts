import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterEach, describe, expect, it } from 'vitest';

import { commitOf, upgradeFrom } from './build.js';

const folders: string[] = [];
const newFolder = (): string => {
  folders.push(mkdtempSync(join(tmpdir(), 'callosum-build-')));
  return folders.at(-1) ?? '';
};
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true })));

const git = (cwd: string, ...args: readonly string[]): string =>
  execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@example.org', ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim();

/** A repository of two commits, and the first of them. */
function repository(): { folder: string; first: string } {
  const folder = newFolder();
  git(folder, 'init', '--quiet');
  git(folder, 'commit', '--quiet', '--allow-empty', '-m', 'first');
  const first = git(folder, 'rev-parse', 'HEAD');
  git(folder, 'commit', '--quiet', '--allow-empty', '-m', 'second');
  return { folder, first };
}

describe('the version an upgrade starts from', () => {
  it('is the one that is asked for', async () => {
    expect(await upgradeFrom({ CALLOSUM_UPGRADE_FROM: 'v9.9.9' })).toBe('v9.9.9');
    const { folder, first } = repository();
    git(folder, 'tag', 'v0.0.1', first);
    expect(await commitOf('v0.0.1', folder)).toBe(first);
  });

  it('is told to be missing with what helps: another name, or the whole history of a shallow clone', async () => {
    const { folder, first } = repository();
    await expect(commitOf('v9.9.9', folder)).rejects.toThrow('CALLOSUM_UPGRADE_FROM');
    const shallow = newFolder();
    git(shallow, 'clone', '--quiet', '--depth=1', pathToFileURL(folder).href, '.');
    await expect(commitOf(first, shallow)).rejects.toThrow('git fetch --unshallow');
  });
});
