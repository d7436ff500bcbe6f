// Makes the runtime folder of the image from a built checkout: what the entries need, nothing of the tools. The
// Dockerfile's build stage and the test call this very script.
//   node deploy/docker/assemble.mjs OUT
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { projects } from '../../tools/workspace.mjs';
import { entries } from './entry.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const out = resolve(process.argv[2] ?? '');
if (!process.argv[2] || (existsSync(out) && readdirSync(out).length > 0)) {
  process.stderr.write('node deploy/docker/assemble.mjs OUT: a folder that is empty or not there yet\n');
  process.exit(2);
}
const json = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** Workspaces that the entries import, themselves included. */
function neededProjects() {
  const byDir = new Map(projects().map((project) => [project.dir, project]));
  const byName = new Map(projects().map((project) => [project.name, project]));
  const found = new Set();
  const queue = Object.values(entries).map(({ module }) => byDir.get(module.split('/').slice(0, 2).join('/')));
  for (let project = queue.pop(); project; project = queue.pop()) {
    if (found.has(project)) continue;
    found.add(project);
    queue.push(...importedBy(project.dir).map((name) => byName.get(name)));
  }
  return [...found].sort((a, b) => a.dir.localeCompare(b.dir));
}

/** Workspaces that the built files of `dir` import, tests' helpers left out. */
function importedBy(dir) {
  const built = join(root, dir, 'dist');
  if (!existsSync(built)) throw new Error(`${dir} is not built`);
  const files = readdirSync(built, { recursive: true }).filter((file) => file.endsWith('.js') && !forTests.test(file));
  const imports = /(?:from|import\()\s*['"](@callosum\/[a-z0-9-]+)/g;
  return files.flatMap((file) =>
    [...readFileSync(join(built, file), 'utf8').matchAll(imports)].map(([, name]) => name),
  );
}

/** Folders of third-party packages: what the lock file does not call a development dependency and npm installed here. */
function productionPackages() {
  const { packages } = json(join(root, 'package-lock.json'));
  return Object.entries(packages)
    .filter(([path, entry]) => path.startsWith('node_modules/') && !entry.link && !entry.dev && !entry.devOptional)
    .filter(([path]) => existsSync(join(root, path)) && !carriedNode.test(path))
    .map(([path, { version }]) => ({ path, version, name: path.split('node_modules/').at(-1) }));
}
/** The image has a Node of its own. */
const carriedNode = /(^|\/)node-(linux|win|darwin)-/;

/** What only people and compilers read. Licences stay. */
const unread = /\.(map|d\.ts|d\.cts|d\.mts|tsbuildinfo|md|markdown)$/i;
const forTests = /(^|\/)test-support(\/|$)|-for-tests\.js$/;
const licence = /^(licen[cs]e|notice|copying)/i;

function copy(from, to) {
  cpSync(from, to, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => {
      const name = basename(source);
      if (source === from) return true;
      if (forTests.test(source)) return false;
      // Nested packages have entries of their own in the lock file.
      if (name === 'node_modules' || name === '.bin') return false;
      return licence.test(name) || !unread.test(name);
    },
  });
}

for (const { dir, name } of neededProjects()) {
  const built = join(root, dir, 'dist');
  mkdirSync(join(out, dir), { recursive: true });
  copy(built, join(out, dir, 'dist'));
  cpSync(join(root, dir, 'package.json'), join(out, dir, 'package.json'));
  const link = join(out, 'node_modules', name);
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(relative(dirname(link), join(out, dir)), link);
}
const packages = productionPackages();
for (const { path } of packages) copy(join(root, path), join(out, path));

for (const file of ['LICENSE', 'THIRD_PARTY_NOTICES.md']) cpSync(join(root, file), join(out, file));
cpSync(join(root, 'deploy/docker/entry.mjs'), join(out, 'entry.mjs'));
const { name, version, license } = json(join(root, 'package.json'));
writeFileSync(
  join(out, 'package.json'),
  `${JSON.stringify({ name, version, license, private: true, type: 'module' })}\n`,
);

// The viewer is fetched and its hash verified by tools/lib/viewer.mjs; where that could not be done, /viewer answers 503.
const viewer = readdirSync(join(root, '.tools'), { withFileTypes: true }).find(({ name }) =>
  /^ohif-[\d.]+$/.test(name),
);
if (viewer) cpSync(join(root, '.tools', viewer.name), join(out, 'viewer'), { recursive: true });

writeSbom();

/** CycloneDX of exactly what was copied. Asked for all and filtered here: npm lists other platforms, and with --omit=dev it leaves
 * out what a development dependency also needs. */
function writeSbom() {
  const args = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'];
  const { status, stdout, stderr } = spawnSync('npm', args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`npm sbom failed: ${stderr}`);
  const sbom = JSON.parse(stdout);
  const here = new Set(packages.map((entry) => `${entry.name}@${entry.version}`));
  for (const project of neededProjects()) here.add(`${project.name}@${version}`);
  const kept = (ref) => here.has(ref.split('|').at(-1));
  sbom.metadata.component.name = name;
  sbom.components = sbom.components.filter((component) => kept(component['bom-ref']));
  sbom.dependencies = sbom.dependencies
    .filter(({ ref }) => kept(ref) || ref === sbom.metadata.component['bom-ref'])
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter(kept) }));
  writeFileSync(join(out, 'sbom.cdx.json'), `${JSON.stringify(sbom, null, 1)}\n`);
}
