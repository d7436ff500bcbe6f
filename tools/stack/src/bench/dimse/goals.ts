import type { ReceiverName } from './receiver.js';
import { ratioOf } from './rounds.js';

/** One promise about a rate, judged. */
export interface Goal {
  readonly goal: string;
  readonly wanted: number;
  /** NaN when it was not measured. */
  readonly found: number;
}

/** Objects a second in each round, by receiver; `raw` is the loop of write, flush and commit. */
export type Rates = ReadonlyMap<ReceiverName | 'raw', readonly number[]>;

/** Beside these many and more associations this node is at least as fast as storescp, which flushes nothing. */
const associationsOfStorescp = 4;

/** What is promised for so many associations. */
export function storeGoals(associations: number, rates: Rates): Goal[] {
  const found = (other: ReceiverName | 'raw'): number => ratioOf(rates.get('node') ?? [], rates.get(other) ?? []);
  const at = `${associations} association${associations === 1 ? '' : 's'}`;
  return [
    ...(associations >= associationsOfStorescp
      ? [{ goal: `${at}: of storescp, which does not flush`, wanted: 1, found: found('storescp') }]
      : []),
    { goal: `${at}: of Orthanc`, wanted: 3, found: found('orthanc') },
    ...(associations === 1
      ? [{ goal: `${at}: of write + fsync + commit, one writer`, wanted: 0.8, found: found('raw') }]
      : []),
  ];
}

export function goalText({ goal, wanted, found }: Goal): string {
  if (Number.isNaN(found)) return `- ${goal}: ≥ ${wanted} × wanted, not measured`;
  return `- ${goal}: ${found.toFixed(2)} ×, ≥ ${wanted} × wanted: ${found >= wanted ? 'met' : '**missed**'}`;
}
