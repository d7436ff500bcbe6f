#!/usr/bin/env node
// The `callosum` command: from what is built, under Node 24 where this Node is older.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const main = new URL('../dist/main.js', import.meta.url);
const carried = ['node', 'node.exe']
  .map((name) => fileURLToPath(new URL(`../../../node_modules/.bin/${name}`, import.meta.url)))
  .find((path) => existsSync(path));
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (!existsSync(fileURLToPath(main))) {
  process.stderr.write('callosum: not built yet: run "npm run build" (or "npm start") first\n');
  process.exitCode = 1;
} else if (major > 22 || (major === 22 && minor >= 22) || !carried) {
  const { run } = await import(main.href);
  process.exitCode = await run(process.argv.slice(2));
} else {
  const child = spawn(carried, process.argv.slice(1), { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.once('exit', (code) => (process.exitCode = code ?? 1));
}
