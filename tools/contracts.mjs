// npm run contracts: generates TypeScript from proto/. `check` fails when a proto is not clean, when what is committed
// is not what the protos give, when a change breaks WIRE_JSON against the baseline image, or when that image lacks what
// the protos hold: what it does not know it cannot protect. `baseline` accepts the present protos as the new baseline:
// only when no running site can hold events of the old one, or nothing breaks. `check FOLDER` looks at another proto/.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const buf = join(root, 'node_modules', '.bin', 'buf');
const generated = join(root, 'libs/contracts/src/generated');
const command = process.argv[2] ?? 'check';
const proto = resolve(process.argv[3] ?? join(root, 'proto'));

function run(...args) {
  const { status } = spawnSync(buf, args, {
    cwd: proto,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (status !== 0) process.exit(1);
}

function files(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

const contents = (folder) => new Map(files(folder).map((path) => [relative(folder, path), readFileSync(path, 'utf8')]));

if (command === 'generate') {
  run('lint');
  run('generate', '--clean');
} else if (command === 'baseline') {
  run('build', '-o', 'baseline.binpb');
} else if (command === 'check') {
  run('lint');
  run('breaking', '--against', 'baseline.binpb');
  assertBaselineCurrent();
  const fresh = mkdtempSync(join(tmpdir(), 'callosum-contracts-'));
  const config = readFileSync(join(proto, 'buf.gen.yaml'), 'utf8')
    .replace('../libs/contracts/src/generated', fresh)
    .replace('../node_modules', join(root, 'node_modules'));
  run('generate', '--template', JSON.stringify(yamlToTemplate(config)));
  const want = contents(fresh);
  const have = contents(generated);
  rmSync(fresh, { recursive: true });
  const differing = [...new Set([...want.keys(), ...have.keys()])].filter((name) => want.get(name) !== have.get(name));
  if (differing.length > 0) {
    console.error(`generated code is out of date (npm run contracts): ${differing.join(', ')}`);
    process.exit(1);
  }
} else {
  console.error('usage: node tools/contracts.mjs generate|check|baseline [folder of the protos]');
  process.exit(2);
}

/** What is declared, without comments and where it stands: neither is anything an event could break on. */
function declared(source) {
  const args = ['build', source, '--exclude-source-info', '-o', '-#format=json'];
  const { status, stdout, stderr } = spawnSync(buf, args, {
    cwd: proto,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    shell: process.platform === 'win32',
  });
  if (status !== 0) {
    process.stderr.write(stderr);
    process.exit(1);
  }
  return new Map(JSON.parse(stdout).file.map((file) => [file.name, JSON.stringify(file)]));
}

/** What the baseline lacks could be changed and broken, and no one would notice. */
function assertBaselineCurrent() {
  const now = declared('.');
  const baseline = declared('baseline.binpb');
  const lacking = [...now].filter(([name, file]) => baseline.get(name) !== file).map(([name]) => name);
  if (lacking.length === 0) return;
  console.error(`the baseline is older than the protos (node tools/contracts.mjs baseline): ${lacking.join(', ')}`);
  process.exit(1);
}

/** The few lines of buf.gen.yaml as the JSON template the command line takes. */
function yamlToTemplate(text) {
  const value = (key) => new RegExp(`${key}: (.+)`).exec(text)?.[1];
  const opt = [...text.matchAll(/^ {6}- (.+)$/gm)].map((match) => match[1]);
  return { version: 'v2', plugins: [{ local: value('local'), out: value('out'), opt }] };
}
