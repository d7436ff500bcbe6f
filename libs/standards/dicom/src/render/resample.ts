/** What each pixel of a scaled axis is made of: neighbouring source pixels by weights whose sum is 1. */
export interface AxisSamples {
  /** Pixels of the scaled axis. */
  readonly count: number;
  /** The first source pixel of each, from 0. */
  readonly firsts: Uint32Array;
  /** Where the weights of each begin; one more than there are pixels. */
  readonly starts: Uint32Array;
  readonly weights: Float64Array;
  /** Source pixels that are needed: from the first to before the end. */
  readonly first: number;
  readonly end: number;
}

/**
 * Scales the part of an axis from `start` on, `length` source pixels long, to `count` pixels. A pixel that covers one
 * source pixel or more is the mean of what it covers; a smaller one lies between the centers of two.
 * @param start 0 or more, also a fraction of a pixel; `start + length` is at most `size`
 * @param size source pixels of the whole axis
 */
export function resampleAxis(
  start: number,
  length: number,
  count: number,
  size: number,
  isFlipped: boolean,
): AxisSamples {
  const step = length / count;
  const first = Math.floor(start);
  const end = Math.min(size, Math.ceil(start + length));
  const sourcesOf = step >= 1 ? covered : between;
  const firsts = new Uint32Array(count);
  const starts = new Uint32Array(count + 1);
  const weights: number[] = [];
  for (let pixel = 0; pixel < count; pixel++) {
    const place = isFlipped ? count - 1 - pixel : pixel;
    const sources = sourcesOf(start + place * step, step, first, end);
    firsts[pixel] = sources.first;
    for (const weight of sources.weights) weights.push(weight);
    starts[pixel + 1] = weights.length;
  }
  return { count, firsts, starts, weights: Float64Array.from(weights), first, end };
}

interface Sources {
  readonly first: number;
  readonly weights: readonly number[];
}

/** Source pixels by how much of each lies between `from` and `from + step`. */
function covered(from: number, step: number, first: number, end: number): Sources {
  const to = Math.min(end, from + step);
  const start = Math.max(first, Math.floor(from));
  const parts: number[] = [];
  for (let index = start; index < to; index++) parts.push(Math.min(index + 1, to) - Math.max(index, from));
  const sum = parts.reduce((all, part) => all + part, 0);
  return { first: start, weights: parts.map((part) => part / sum) };
}

/** The two source pixels whose centers are around the middle; at an edge the one that is there. */
function between(from: number, step: number, first: number, end: number): Sources {
  const center = Math.min(end - 1, Math.max(first, from + step / 2 - 0.5));
  const index = Math.floor(center);
  const part = center - index;
  return { first: index, weights: part === 0 ? [1] : [1 - part, part] };
}
