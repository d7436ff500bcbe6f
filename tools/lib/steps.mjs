// Runs commands beside each other and shows what each said in one piece.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';

import { root, say } from './setup.mjs';

/** Runs a command; resolves with its exit status and all it wrote, never rejects. */
export function capture(command, args) {
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.once('error', (error) => resolve({ status: 1, output: `${error.message}\n` }));
    child.once('close', (status) => resolve({ status: status ?? 1, output }));
  });
}

/** Runs all checks, one on each core, in the order given; tells `done` of each as it ends. */
export async function runChecks(checks, done) {
  const waiting = [...checks];
  const lane = async () => {
    for (let check = waiting.shift(); check; check = waiting.shift()) {
      const begin = Date.now();
      const { status, output } = await capture(check.command, check.args);
      say(`\n── ${check.name}`);
      if (output) say(output.trimEnd());
      done(check.name, status === 0, Math.round((Date.now() - begin) / 1000));
    }
  };
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, lane));
}
