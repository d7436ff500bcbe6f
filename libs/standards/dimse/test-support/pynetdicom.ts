import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { MissingPrerequisite, orSkip } from '@callosum/testing';

const run = promisify(execFile);

export const script = (name: string): string => join(import.meta.dirname, name);

/** A Python with pynetdicom, or why there is none. */
export const python = await orSkip(async () => {
  for (const candidate of [process.env['CALLOSUM_TEST_PYTHON'], 'python3']) {
    if (
      candidate &&
      (await run(candidate, ['-c', 'import pynetdicom']).then(
        () => true,
        () => false,
      ))
    )
      return candidate;
  }
  throw new MissingPrerequisite(
    'pynetdicom is not installed',
    'pip install pynetdicom==3.0.4, and CALLOSUM_TEST_PYTHON=<python>',
  );
});

/** Runs one of the scripts beside this file to its end and reads the JSON it prints. */
export async function runScript(name: string, ...args: readonly string[]): Promise<unknown> {
  const { stdout } = await run(python.server ?? '', [script(name), ...args]);
  return JSON.parse(stdout) as unknown;
}
