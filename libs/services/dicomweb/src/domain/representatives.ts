/** Who is asked: of most studies the first is an image, and of what has none many need not be read. */
const candidatesMax = 16;

/**
 * Instances of which one may stand for all of them, best first: from the middle of the series that has most, then from
 * the middle of the next one, and so on; then what is beside those.
 */
export function representatives<T extends { readonly seriesInstanceUid: string }>(
  instances: readonly T[],
): readonly T[] {
  const bySeries = new Map<string, T[]>();
  for (const one of instances) {
    const others = bySeries.get(one.seriesInstanceUid);
    if (others) others.push(one);
    else bySeries.set(one.seriesInstanceUid, [one]);
  }
  const series = [...bySeries.values()].sort((a, b) => b.length - a.length).map(fromTheMiddle);
  const longest = series[0]?.length ?? 0;
  const found: T[] = [];
  for (let round = 0; round < longest && found.length < candidatesMax; round++) {
    for (const one of series) {
      const candidate = one[round];
      if (candidate !== undefined) found.push(candidate);
    }
  }
  return found.slice(0, candidatesMax);
}

/** The middle one, the one after it, the one before it, and so on outwards. */
function fromTheMiddle<T>(all: readonly T[]): readonly T[] {
  const middle = Math.floor((all.length - 1) / 2);
  return all
    .map((one, i) => ({ one, distance: Math.abs(i - middle) * 2 - (i > middle ? 1 : 0) }))
    .sort((a, b) => a.distance - b.distance)
    .map(({ one }) => one);
}

/** The frame that stands for a multi-frame object, from 1: its middle. */
export const middleFrame = ({ frames }: { readonly frames: number }): number => Math.ceil(frames / 2);
