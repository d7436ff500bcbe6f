// What the scripts know of the workspace: its projects, and who imports whom.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Every project folder, relative to the root, in a stable order. */
export function projects() {
  const { workspaces } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const dirs = [];
  for (const pattern of workspaces) {
    if (!pattern.endsWith('/*')) {
      dirs.push(pattern);
      continue;
    }
    const parent = pattern.slice(0, -2);
    if (!existsSync(join(root, parent))) continue;
    for (const entry of readdirSync(join(root, parent)).sort()) dirs.push(`${parent}/${entry}`);
  }
  return dirs
    .filter((dir) => existsSync(join(root, dir, 'package.json')))
    .map((dir) => ({
      dir,
      name: JSON.parse(readFileSync(join(root, dir, 'package.json'), 'utf8')).name,
    }));
}

export function sourceFiles(dir) {
  const found = [];
  const walk = (folder) => {
    if (!existsSync(folder)) return;
    for (const entry of readdirSync(folder)) {
      const path = join(folder, entry);
      if (statSync(path).isDirectory()) walk(path);
      else if (/\.tsx?$/.test(entry)) found.push(path);
    }
  };
  walk(join(root, dir, 'src'));
  return found;
}

/** Names of workspace packages that the built sources of `dir` import; on request those of its tests as well. */
export function importsOf(dir, { withTests = false } = {}) {
  const names = new Set();
  for (const file of sourceFiles(dir)) {
    if (!withTests && /\.spec\.tsx?$/.test(file)) continue;
    const text = readFileSync(file, 'utf8');
    for (const match of text.matchAll(/from\s+['"](@callosum\/[a-z0-9-]+)|import\(\s*['"](@callosum\/[a-z0-9-]+)/g)) {
      names.add(match[1] ?? match[2]);
    }
  }
  return names;
}

export { relative, join };
