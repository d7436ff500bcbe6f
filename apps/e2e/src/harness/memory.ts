import { readdirSync, readFileSync } from 'node:fs';

import type { Callosum } from './callosum.js';

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process has gone meanwhile.
    return '';
  }
};

/**
 * The most that the process of all services has held in memory, in MiB (VmHWM of proc(5)).
 * @throws when there is no such process, as where there is no /proc
 */
export function peakMemory({ dataDir }: Pick<Callosum, 'dataDir'>): number {
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid) || !textOf(`/proc/${pid}/cmdline`).includes('apps/all-in-one/dist/main.js')) continue;
    if (!textOf(`/proc/${pid}/environ`).includes(`CALLOSUM_DATA_DIR=${dataDir}\0`)) continue;
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(textOf(`/proc/${pid}/status`))?.[1];
    if (peak !== undefined) return Number(peak) / 1024;
  }
  throw new Error('the process of the services is not in /proc');
}
