import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** Of the monotonic clock, in microseconds. */
export interface ProfileWindow {
  readonly fromUs: number;
  readonly toUs: number;
}

/** The members used here of a profile as `node --cpu-prof` writes it. */
export interface CpuProfile {
  readonly startTime: number;
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const shownMax = 15;

/** The functions that took the most time themselves, with their shares of the time that was not idle. */
export function topOfProfile(path: string, window: ProfileWindow): string[] {
  return topFunctions(JSON.parse(readFileSync(path, 'utf8')) as CpuProfile, window);
}

export function topFunctions({ startTime, nodes, samples, timeDeltas }: CpuProfile, window: ProfileWindow): string[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  let at = startTime;
  let all = 0;
  let idle = 0;
  for (const [i, id] of samples.entries()) {
    const delta = timeDeltas[i] ?? 0;
    at += delta;
    if (at < window.fromUs || at > window.toUs) continue;
    all += delta;
    const name = names.get(id) ?? '?';
    if (name === '(idle)') idle += delta;
    else times.set(name, (times.get(name) ?? 0) + delta);
  }
  if (all === 0) return ['no sample falls into the measured time'];
  const percent = (part: number, of: number): string => `${((100 * part) / of).toFixed(1)} %`;
  const top = [...times].sort(([, a], [, b]) => b - a).slice(0, shownMax);
  return [
    `the main thread worked ${percent(all - idle, all)} of the time, of that:`,
    ...top.map(([name, time]) => `${percent(time, all - idle).padStart(7)}  ${name}`),
  ];
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName || '(anonymous)';
  // The folder tells an index.js from another.
  const place = url === '' ? '' : ` ${url.split('/').at(-2) ?? ''}/${basename(url)}:${lineNumber + 1}`;
  return `${name}${place}`;
}
