/** Limits of the parser. Each stops an input that would cost far more to read than it took to send. */
export interface ParseLimits {
  /** Nested sequences; real objects (SR trees, enhanced multi-frame) stay below 20. */
  readonly depthMax: number;
  /** Elements of one object, all levels; a whole slide image with per-frame groups has about two million. */
  readonly elementsMax: number;
  /** Bytes a deflated dataset may inflate to: 1 GiB, the largest object the archive takes in memory. */
  readonly inflatedBytesMax: number;
  /** Inflated bytes per deflated byte; DEFLATE itself ends at 1032, real datasets stay below 200. */
  readonly inflateRatioMax: number;
  /** Fragments of one Pixel Data element. */
  readonly fragmentsMax: number;
}

export const defaultParseLimits: ParseLimits = {
  depthMax: 64,
  elementsMax: 4_000_000,
  inflatedBytesMax: 1024 * 1024 * 1024,
  inflateRatioMax: 500,
  fragmentsMax: 2_000_000,
};

/** Bytes a deflated dataset of this length may inflate to: what is small may inflate by more. */
export const inflatedBytesMaxOf = (deflatedBytes: number, limits: ParseLimits): number =>
  Math.min(limits.inflatedBytesMax, Math.max(1024 * 1024, deflatedBytes * limits.inflateRatioMax));

/**
 * Bytes of a header, bulk data not counted: the one limit of whoever acknowledges an object and of whoever indexes it.
 * The longest known is a whole slide image's functional groups, tens of MiB.
 */
export const headerBytesMax = 128 * 1024 * 1024;
