/** What one receiver gave in each round that counts, in order. */
export type Rounds<T> = ReadonlyMap<string, readonly T[]>;

/**
 * Runs each of them in turn, again and again (A B C A B C): what changes on the machine meanwhile meets all alike. The
 * first round warms caches up and is not counted.
 */
export async function interleaved<T>(
  runs: ReadonlyMap<string, () => Promise<T>>,
  rounds: number,
  tell: (round: number, name: string, result: T) => void = () => undefined,
): Promise<Rounds<T>> {
  const results = new Map([...runs.keys()].map((name): [string, T[]] => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, run] of runs) {
      const result = await run();
      tell(round, name, result);
      if (round > 0) results.get(name)?.push(result);
    }
  }
  return results;
}

/** NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = Number.NaN, high = low] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
}

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export const spreadOf = (values: readonly number[]): Spread => ({
  median: median(values),
  least: Math.min(...values),
  most: Math.max(...values),
});

/** The median of each round's ratio: a round in which the machine was slow for all does not move it. NaN without rounds. */
export function ratioOf(values: readonly number[], others: readonly number[]): number {
  return median(values.slice(0, others.length).map((value, round) => value / (others[round] ?? Number.NaN)));
}
