import { readFileSync, writeFileSync } from 'node:fs';

/** The most a process has held since it began, or since `forgetPeak`: VmHWM of proc(5), in MiB. */
export function peakOf(pid: number): number {
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Math.round(Number(peak?.[1] ?? 0) / 1024);
}

/** From now on `peakOf` says what is held from now on (proc(5), clear_refs). */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}
