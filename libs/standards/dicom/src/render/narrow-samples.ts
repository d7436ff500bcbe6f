import type { Samples } from '../geometry/volume.js';
import { inSteps, type Steps } from './steps.js';

/**
 * Samples of a frame that have two bytes at most. What is made of each is worked out once for each number that there is: an
 * image has far fewer of them than pixels, and a pixel costs two looks into a table.
 */
export interface NarrowSamples {
  /** Numbers that the frame has, each once. */
  readonly distinct: Samples;
  /** @param level of a sample, 0 to 255 */
  mapped(level: (sample: number) => number): Steps<Uint8Array>;
}

/** Undefined for wider samples. */
export function* narrowSamples(samples: Samples): Steps<NarrowSamples | undefined> {
  const words = wordsOf(samples);
  if (!words) return undefined;
  const isThere = new Uint8Array(2 ** (8 * words.BYTES_PER_ELEMENT));
  yield* inSteps(words.length, (from, to) => {
    mark(isThere, words, from, to);
  });
  const present = placesOf(isThere, words);
  const distinct = like(samples, present);
  return {
    distinct,
    *mapped(level) {
      const levels = new Uint8Array(isThere.length);
      yield* inSteps(present.length, (from, to) => {
        for (let i = from; i < to; i++) levels[present[i] ?? 0] = level(distinct[i] ?? 0);
      });
      const out = new Uint8Array(words.length);
      yield* inSteps(words.length, (from, to) => {
        lookUpAll(out, levels, words, from, to);
      });
      return out;
    },
  };
}

/** Places that are marked, as wide as the words that marked them. */
function placesOf(isThere: Uint8Array, words: Uint8Array | Uint16Array): Uint8Array | Uint16Array {
  let count = 0;
  for (const mark of isThere) count += mark;
  const places = words.BYTES_PER_ELEMENT === 1 ? new Uint8Array(count) : new Uint16Array(count);
  for (let place = 0, at = 0; place < isThere.length; place++) if (isThere[place] === 1) places[at++] = place;
  return places;
}

/** The same bits with the sign that the samples have. */
function like(samples: Samples, { buffer }: Uint8Array | Uint16Array): Samples {
  if (samples instanceof Int8Array) return new Int8Array(buffer);
  if (samples instanceof Int16Array) return new Int16Array(buffer);
  return samples.BYTES_PER_ELEMENT === 1 ? new Uint8Array(buffer) : new Uint16Array(buffer);
}

/** The same bytes as numbers from 0 on, which are places in a table. */
function wordsOf({ buffer, byteOffset, length, BYTES_PER_ELEMENT }: Samples): Uint8Array | Uint16Array | undefined {
  if (BYTES_PER_ELEMENT === 1) return new Uint8Array(buffer, byteOffset, length);
  return BYTES_PER_ELEMENT === 2 ? new Uint16Array(buffer, byteOffset, length) : undefined;
}

// Loops of their own: within a generator's closure they take four times as long.
function mark(isThere: Uint8Array, words: Uint8Array | Uint16Array, from: number, to: number): void {
  for (let i = from; i < to; i++) isThere[words[i] ?? 0] = 1;
}

function lookUpAll(
  out: Uint8Array,
  levels: Uint8Array,
  words: Uint8Array | Uint16Array,
  from: number,
  to: number,
): void {
  for (let i = from; i < to; i++) out[i] = levels[words[i] ?? 0] ?? 0;
}
