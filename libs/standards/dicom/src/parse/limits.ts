/** Limits of the parser. Each stops an input that would cost far more to read than it took to send. */
export interface ParseLimits {
  /** Nested sequences; real objects (SR trees, enhanced multi-frame) stay below 20. */
  readonly depthMax: number;
  /** Elements of one object, all levels; a whole slide image with per-frame groups has about two million. */
  readonly elementsMax: number;
  /** Bytes a deflated dataset may inflate to: 1 GiB, the largest object the archive takes in memory. */
  readonly inflatedBytesMax: number;
  /**
   * Inflated bytes per deflated byte where all of them are held at once; DEFLATE itself ends at 1032. Images stay below
   * 200, sparse label maps do not: what is inflated piece by piece, and held by nobody, is not bound by it.
   */
  readonly inflateRatioMax: number;
  /** Fragments of one Pixel Data element. */
  readonly fragmentsMax: number;
  /**
   * Whether an object past `elementsMax` or `fragmentsMax` is always refused, with `TooManyElementsError`: for who tries few
   * first. Else elements behind Pixel Data end where they are too many, and a sequence of unknown VR stays a value.
   */
  readonly strict: boolean;
}

export const defaultParseLimits: ParseLimits = {
  depthMax: 64,
  elementsMax: 4_000_000,
  inflatedBytesMax: 1024 * 1024 * 1024,
  inflateRatioMax: 500,
  fragmentsMax: 2_000_000,
  strict: false,
};

/** Bytes a deflated dataset of this length may inflate to: what is small may inflate by more. */
export const inflatedBytesMaxOf = (deflatedBytes: number, limits: ParseLimits): number =>
  Math.min(limits.inflatedBytesMax, Math.max(1024 * 1024, deflatedBytes * limits.inflateRatioMax));

/**
 * Elements of a header that is parsed at once: some 10 MiB of memory. One that has more is walked, and what would take
 * too much of it is left out.
 */
export const parsedElementsMax = 20_000;

/**
 * What the elements of a walked header may take in the memory of whoever keeps all of them, in bytes: the one limit of
 * who acknowledges an object and of who indexes it, four facts at once in 512 MiB. Who keeps a few counts the same.
 */
export const headerMemory = {
  /** Of elements outside of sequences. An object that has more of them is refused. */
  topMax: 32 * 1024 * 1024,
  /** Of all sequences: some 15,000 frames of functional groups. A sequence that would take more is left out. */
  sequencesMax: 128 * 1024 * 1024,
  /** An element or item without its value, in the dataset and in the JSON of it: 516 bytes measured in the dataset. */
  element: 640,
  /** A byte of a value that is made into text or numbers: `1\\1\\1` is a number each two bytes. */
  valueByte: 16,
  /** A byte of a sequence of unknown VR, which may be an element each eight bytes. */
  unknownByte: 80,
} as const;

/** A dataset of fewer bytes has no sequence that is left out of its header: no byte of one takes more memory. */
export const leftOutBytesMin = Math.floor(headerMemory.sequencesMax / headerMemory.unknownByte);
