// npm run contracts: generates TypeScript from proto/. `check` fails when a proto is not clean, when what is committed
// is not what the protos give, or when a change breaks WIRE_JSON against the baseline image. `baseline` accepts the
// present protos as the new baseline: only when no running site can hold events of the old one, or nothing breaks.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const buf = join(root, 'node_modules', '.bin', 'buf');
const generated = join(root, 'libs/contracts/src/generated');
const command = process.argv[2] ?? 'check';

function run(...args) {
  const { status } = spawnSync(buf, args, {
    cwd: join(root, 'proto'),
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
  const fresh = mkdtempSync(join(tmpdir(), 'callosum-contracts-'));
  const config = readFileSync(join(root, 'proto/buf.gen.yaml'), 'utf8').replace(
    '../libs/contracts/src/generated',
    fresh,
  );
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
  console.error('usage: node tools/contracts.mjs generate|check|baseline');
  process.exit(2);
}

/** The few lines of buf.gen.yaml as the JSON template the command line takes. */
function yamlToTemplate(text) {
  const value = (key) => new RegExp(`${key}: (.+)`).exec(text)?.[1];
  const opt = [...text.matchAll(/^ {6}- (.+)$/gm)].map((match) => match[1]);
  return { version: 'v2', plugins: [{ local: value('local'), out: value('out'), opt }] };
}
