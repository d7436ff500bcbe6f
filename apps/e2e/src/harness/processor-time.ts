import { readFileSync } from 'node:fs';

import type { Callosum } from './callosum.js';

/** proc(5): of a second. */
const ticks = 100;

/** Seconds that processors have worked for the process of all services, its threads included (proc_pid_stat(5)). */
export function processorSeconds({ pid }: Pick<Callosum, 'pid'>): number {
  // Behind the name, which may hold blanks: state is the third field, utime and stime are the 14th and 15th.
  const fields =
    readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
      .split(') ')
      .at(-1)
      ?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / ticks;
}
