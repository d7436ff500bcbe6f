import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { root as workspaceRoot } from '../cluster/process.js';

const run = promisify(execFile);

/** A version of the product, compiled. */
export interface Build {
  /** What it was asked for by: a tag, a commit, or "this workspace". */
  readonly ref: string;
  readonly commit: string;
  /** Folder of its workspace. */
  readonly root: string;
}

/**
 * What an upgrade starts from while there is no release: the oldest commit that loses and parks nothing by itself under this
 * load. Older ones park a superseded result whose fact only refers to it, before anything is upgraded.
 */
const oldestCommit = '6b31d4ff75b6717354f51c33bfb73500d7ca9fc7';
/** Installing took two minutes and compiling as long on two cores. */
const stepMsMax = 1_200_000;
/** Written last: a folder without it was left half built. */
const builtFile = '.callosum-built';

/** `CALLOSUM_UPGRADE_FROM`, else the newest release before this commit, else the oldest commit an upgrade works from. */
export async function upgradeFrom(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  if (env['CALLOSUM_UPGRADE_FROM']) return env['CALLOSUM_UPGRADE_FROM'];
  const tags = await git('tag', '--merged', 'HEAD', '--no-contains', 'HEAD', '--sort=-version:refname', '--list', 'v*');
  return tags.split('\n')[0] || oldestCommit;
}

/** The workspace as it stands, which is built already. */
export async function thisBuild(): Promise<Build> {
  return { ref: 'this workspace', commit: await git('rev-parse', 'HEAD'), root: workspaceRoot };
}

/**
 * Checks out and compiles another version in a work tree of its own, once: it is kept for the next run.
 * @throws {Error} the history does not hold it, or it does not build
 */
export async function buildOf(ref: string, say: (line: string) => void): Promise<Build> {
  const commit = await commitOf(ref);
  const root = join(workspaceRoot, '.nx', 'revisions', commit);
  const build = { ref, commit, root };
  if (existsSync(join(root, builtFile))) return build;
  say(`building ${ref} in ${root}`);
  rmSync(root, { recursive: true, force: true });
  await git('worktree', 'prune');
  await git('worktree', 'add', '--detach', root, commit);
  if (sameLockFile(root)) linkDependencies(root);
  await run(process.execPath, ['tools/build.mjs'], { cwd: root, timeout: stepMsMax, maxBuffer: 64 * 1024 * 1024 });
  writeFileSync(join(root, builtFile), commit);
  return build;
}

/**
 * The commit that a tag, branch or abbreviated commit names.
 * @throws {Error} the repository does not hold it, and what to do about that
 */
export async function commitOf(ref: string, repository: string = workspaceRoot): Promise<string> {
  const git = (...args: readonly string[]): Promise<string> => gitIn(repository, args);
  try {
    return await git('rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`);
  } catch (cause) {
    const shallow = (await git('rev-parse', '--is-shallow-repository')) === 'true';
    const remedy = shallow
      ? 'this clone is shallow: git fetch --unshallow --tags'
      : 'name another in CALLOSUM_UPGRADE_FROM';
    throw new Error(`the version to upgrade from, ${ref}, is not in this repository; ${remedy}`, { cause });
  }
}

const git = (...args: readonly string[]): Promise<string> => gitIn(workspaceRoot, args);

async function gitIn(repository: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run('git', [...args], { cwd: repository });
  return stdout.trim();
}

const lockOf = (root: string): Buffer => readFileSync(join(root, 'package-lock.json'));
const sameLockFile = (root: string): boolean => lockOf(root).equals(lockOf(workspaceRoot));

/** Where both versions have the same dependencies the other one's are links to ours; its own projects are its own. */
function linkDependencies(root: string): void {
  const ours = join(workspaceRoot, 'node_modules');
  const theirs = join(root, 'node_modules');
  mkdirSync(join(theirs, '@callosum'), { recursive: true });
  for (const entry of readdirSync(ours)) {
    if (entry !== '@callosum') symlinkSync(join(ours, entry), join(theirs, entry));
  }
  for (const dir of projectsOf(root)) {
    const { name } = JSON.parse(readFileSync(join(root, dir, 'package.json'), 'utf8')) as { name: string };
    symlinkSync(join(root, dir), join(theirs, name));
  }
}

/** Folders of the workspace's projects, relative to its root. */
function projectsOf(root: string): string[] {
  const { workspaces } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { workspaces: string[] };
  return workspaces
    .flatMap((pattern) => {
      if (!pattern.endsWith('/*')) return [pattern];
      const parent = pattern.slice(0, -2);
      return existsSync(join(root, parent)) ? readdirSync(join(root, parent)).map((name) => `${parent}/${name}`) : [];
    })
    .filter((dir) => existsSync(join(root, dir, 'package.json')));
}
