// Writes each project's TypeScript references from what its sources import.
// `--check` changes nothing and fails when a reference is out of date.
import { readFileSync, writeFileSync } from 'node:fs';
import { importsOf, join, projects, relative, root } from './workspace.mjs';

const check = process.argv.includes('--check');
const all = projects();
const byName = new Map(all.map((project) => [project.name, project.dir]));
let stale = 0;

function save(path, value) {
  const text = JSON.stringify(value, null, 2) + '\n';
  let before = '';
  try {
    before = readFileSync(path, 'utf8');
  } catch {
    // a new file
  }
  if (before && JSON.stringify(JSON.parse(before)) === JSON.stringify(value)) return;
  stale++;
  console.log(`${check ? 'out of date' : 'written'}: ${relative(root, path)}`);
  if (!check) writeFileSync(path, text);
}

for (const { dir, name } of all) {
  const path = join(root, dir, 'tsconfig.json');
  const config = JSON.parse(readFileSync(path, 'utf8'));
  config.references = [...importsOf(dir)]
    .filter((other) => other !== name)
    .sort()
    .map((other) => {
      const target = byName.get(other);
      if (!target) throw new Error(`${dir} imports ${other}, which is no project`);
      return { path: relative(join(root, dir), join(root, target)) };
    });
  save(path, config);
}
save(join(root, 'tsconfig.json'), {
  files: [],
  references: all.map(({ dir }) => ({ path: `./${dir}` })),
});
if (check && stale) process.exit(1);
