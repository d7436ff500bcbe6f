import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

import { MissingPrerequisite, orSkip } from '@callosum/testing';

const run = promisify(execFile);
const script = join(import.meta.dirname, '../../test-support/modality.py');

/** A Python with pynetdicom, or why there is none. */
export const python = await orSkip(async () => {
  for (const candidate of [process.env['CALLOSUM_TEST_PYTHON'], 'python3']) {
    const has =
      candidate &&
      run(candidate, ['-c', 'import pynetdicom']).then(
        () => true,
        () => false,
      );
    if (candidate && (await has)) return candidate;
  }
  throw new MissingPrerequisite(
    'pynetdicom is not installed',
    'pip install pynetdicom==3.0.4, and CALLOSUM_TEST_PYTHON=<python>',
  );
});

/** What pynetdicom does as a modality, to its end; see modality.py. */
export async function modality<T>(port: number, what: string, args: object): Promise<T> {
  const options = { maxBuffer: 64 * 1024 * 1024 };
  const { stdout } = await run(python.server ?? '', [script, String(port), what, JSON.stringify(args)], options);
  return JSON.parse(stdout) as T;
}

/** The same for what listens first; `result` resolves with what it printed at its end. */
export async function listening<T>(port: number, what: string, args: object): Promise<{ result: Promise<T> }> {
  const child = spawn(python.server ?? '', [script, String(port), what, JSON.stringify(args)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const printed: string[] = [];
  lines.on('line', (line) => printed.push(line));
  await once(lines, 'line');
  const result = once(child, 'close').then(() => JSON.parse(printed.at(-1) ?? 'null') as T);
  return { result };
}
