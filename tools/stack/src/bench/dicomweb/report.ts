import { type Goal } from '../dimse/goals.js';
import { ratioOf, type Rounds, spreadOf } from '../dimse/rounds.js';
import { type MeasuredName, titleOf } from './receiver.js';

/** One thing that was asked of each receiver in turn. */
export interface Measured {
  readonly what: string;
  /** Milliseconds in each round that counts, by receiver. */
  readonly ms: Rounds<number>;
  /** How many times as fast as Orthanc it is to be; nothing is promised without this. */
  readonly wanted?: number;
  /** Of one answer, bytes as they came, by receiver. */
  readonly byteCount?: ReadonlyMap<string, number>;
}

/** How many times as fast as the other this site was: the median of the rounds' ratios. NaN when one was not measured. */
export const timesAsFast = (ms: Rounds<number>, other: MeasuredName = 'orthanc'): number =>
  ratioOf(ms.get(other) ?? [], ms.get('node') ?? []);

/** Those of which something is promised, judged. */
export const goalsOf = (measured: readonly Measured[]): Goal[] =>
  measured.flatMap(({ what, ms, wanted }) =>
    wanted === undefined ? [] : [{ goal: `${what}: as fast as Orthanc`, wanted, found: timesAsFast(ms) }],
  );

/** A table of milliseconds, a line for each thing and receiver. */
export function timesTable(measured: readonly Measured[]): string {
  const rows = measured.flatMap(({ what, ms, byteCount }) =>
    [...ms].map(([name, rounds]) => {
      const { median, least, most } = spreadOf(rounds);
      const bytes = byteCount?.get(name);
      return [
        what,
        titleOf[name as MeasuredName],
        msText(median),
        `${msText(least)} – ${msText(most)}`,
        name === 'node' ? '' : ratioText(timesAsFast(ms, name as MeasuredName)),
        bytes === undefined ? '' : bytes.toLocaleString('en'),
      ];
    }),
  );
  return tableOf(['asked', 'of', 'ms, median', 'least – most', 'Callosum is', 'bytes'], rows);
}

/** Nearest-rank percentiles of times that many clients had, in milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  readonly count: number;
}

/** NaN of none. */
export function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (q: number): number => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1), count: sorted.length };
}

/** Percentiles as cells of a row, in the order p50, p90, p99, most. */
export const percentileCells = ({ p50, p90, p99, max }: Percentiles): string[] => [p50, p90, p99, max].map(msText);

/** A Markdown table. */
export const tableOf = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---').join('|')}|`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n');

/** With as many digits as mean something. */
export const msText = (ms: number): string => (ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0));

const ratioText = (ratio: number): string => (Number.isNaN(ratio) ? '' : `${ratio.toFixed(2)} × as fast`);
