import { join } from 'node:path';

import { python, root } from './paths.js';
import { run } from './processes.js';

export interface Judgement {
  readonly instances: number;
  readonly elements: number;
  readonly private: number;
  readonly sequences: number;
  readonly differences: readonly string[];
}

/** What pydicom says of what came back, against what was sent: see peers/dicom_equal.py. */
export async function judge(...args: readonly string[]): Promise<Judgement> {
  const { code, stdout, stderr } = await run(python, [join(root, 'apps/e2e/peers/dicom_equal.py'), ...args]);
  if (code !== 0) throw new Error(`dicom_equal.py ${args[0] ?? ''}: ${stderr.slice(-2000)}`);
  return JSON.parse(stdout) as Judgement;
}
