import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { benchAet, noDelayEnv } from './receiver.js';

export interface QueryTarget {
  readonly port: number;
  readonly aet: string;
}

/** Keys by keyword, '' for those that are only asked for. */
export type QueryKeys = Readonly<Record<string, string>>;

/** What one run of DCMTK's findscu or movescu came to. */
export interface QueryRun {
  /** False when the peer accepted no presentation context: it does not offer the service. */
  readonly offered: boolean;
  readonly seconds: number;
  /** Responses with a pending status, where they were counted. */
  readonly pending: number;
}

/** For what hangs. */
const runMsMax = 1_800_000;
const refusal = /No Acceptable Presentation Contexts/i;
const pendingResponse = /Find Response: \d+ \(Pending/i;
const linesKept = 5;

/**
 * C-FIND in the Study Root model, at the level the keys name, `repeat` times over one association. Responses are counted, and a
 * refusal is told from a failure, only when asked for: writing responses out takes longer than reading them.
 */
export function find(target: QueryTarget, keys: QueryKeys, { repeat = 1, count = false } = {}): Promise<QueryRun> {
  const repeated = repeat > 1 ? ['--repeat', String(repeat)] : [];
  return run('findscu', target, [...(count ? [] : ['--quiet']), ...repeated], keys);
}

/** C-MOVE in the Study Root model to the AE title of a destination that the peer knows. */
export function move(target: QueryTarget, destination: string, keys: QueryKeys): Promise<QueryRun> {
  return run('movescu', target, ['-aem', destination], keys);
}

async function run(
  command: string,
  { port, aet }: QueryTarget,
  options: readonly string[],
  keys: QueryKeys,
): Promise<QueryRun> {
  const asked = Object.entries(keys).flatMap(([key, value]) => ['-k', value === '' ? key : `${key}=${value}`]);
  const started = performance.now();
  const child = spawn(command, ['-S', '-aet', benchAet, '-aec', aet, ...options, ...asked, '127.0.0.1', String(port)], {
    env: noDelayEnv(),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: runMsMax,
  });
  let pending = 0;
  let offered = true;
  const last: string[] = [];
  const read = (line: string): void => {
    if (pendingResponse.test(line)) pending++;
    if (refusal.test(line)) offered = false;
    if (last.push(line) > linesKept) last.shift();
  };
  for (const input of [child.stdout, child.stderr]) createInterface({ input }).on('line', read);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const seconds = (performance.now() - started) / 1000;
  if (code !== 0 && offered) throw new Error(`${command} ended with ${code ?? 'a signal'}:\n${last.join('\n')}`);
  return { offered, seconds, pending };
}
