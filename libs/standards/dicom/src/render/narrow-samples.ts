import type { Samples } from '../geometry/volume.js';
import { inSteps, type Steps } from './steps.js';

/**
 * Samples of a frame that have two bytes at most. What is made of each is worked out once for each number that there is: an
 * image has far fewer of them than pixels, and a pixel costs two looks into a table.
 */
export interface NarrowSamples {
  /** Numbers that the frame has, each once. */
  readonly distinct: readonly number[];
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
  const isSigned = samples instanceof Int8Array || samples instanceof Int16Array;
  const unused = 32 - 8 * words.BYTES_PER_ELEMENT;
  const sampleOf = (word: number): number => (isSigned ? (word << unused) >> unused : word);
  const present: number[] = [];
  for (let word = 0; word < isThere.length; word++) if (isThere[word] === 1) present.push(word);
  return {
    distinct: present.map(sampleOf),
    *mapped(level) {
      const levels = new Uint8Array(isThere.length);
      yield* inSteps(present.length, (from, to) => {
        for (const word of present.slice(from, to)) levels[word] = level(sampleOf(word));
      });
      const out = new Uint8Array(words.length);
      yield* inSteps(words.length, (from, to) => {
        lookUpAll(out, levels, words, from, to);
      });
      return out;
    },
  };
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
