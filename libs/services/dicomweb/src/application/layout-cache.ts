import type { ImagePixel, Tag } from '@callosum/dicom';

import type { ByteRange } from './ports/archive.js';

/** Native frames, one after the other in one value. */
export interface NativeLayout {
  readonly encapsulated: false;
  readonly image: ImagePixel;
  /** Of the value's first byte: in the blob, or in the inflated dataset. */
  readonly offset: number;
  /** Bytes of the value. */
  readonly byteCount: number;
  /** Bytes that are swapped together; 1 where they are little-endian already. */
  readonly wordBytes: number;
  /** Where the deflated dataset begins in the blob; undefined where it is not deflated. */
  readonly deflatedFrom?: number;
}

/** Frames in fragments. */
export interface EncapsulatedLayout {
  readonly encapsulated: true;
  /** Those that are known, from 1: ranges of the blob, none of them empty. */
  readonly frames: ReadonlyMap<number, readonly ByteRange[]>;
  /** There are no others. */
  readonly isWhole: boolean;
}

export type PixelLayout = NativeLayout | EncapsulatedLayout;

/** What the header says of the pixels. */
export interface PixelElement {
  readonly image: ImagePixel;
  readonly tag: Tag;
  readonly vr: string;
  /** A value, not fragments, whatever the transfer syntax would have. */
  readonly isNative: boolean;
}

/** What is known of the pixels of one blob. */
export interface KnownPixels {
  readonly layout?: PixelLayout;
  readonly element?: PixelElement;
}

/** An entry and its key, an object of numbers, a map's slot: more than they are. */
const entryBytes = 1_024;
const rangeBytes = 96;

const bytesOfFrame = (ranges: readonly ByteRange[]): number => rangeBytes * (1 + ranges.length);

/** What is kept of one blob. Its frames are added to in place: they are many, and few come at a time. */
interface Entry {
  element?: PixelElement;
  native?: NativeLayout;
  frames?: Map<number, readonly ByteRange[]>;
  isWhole: boolean;
  bytes: number;
}

/**
 * Where frames lie, by blob: a blob never changes, so what is known of it is true for ever. Who may see it is asked
 * elsewhere, each time. Those used last are kept, up to a number of bytes; of one blob with very many frames, those that
 * came last.
 */
export class LayoutCache {
  readonly #known = new Map<string, Entry>();
  #bytes = 0;

  constructor(private readonly bytesMax: number) {}

  /** What is known now: its frames are those of the cache, which come and go. */
  get(blobKey: string): KnownPixels | undefined {
    const entry = this.#known.get(blobKey);
    if (!entry) return undefined;
    this.#known.delete(blobKey);
    this.#known.set(blobKey, entry);
    return knownOf(entry);
  }

  /** Adds to what is known. @returns all of it, with what was given, also where that is not kept */
  learn(blobKey: string, more: KnownPixels): KnownPixels {
    const entry: Entry = this.#known.get(blobKey) ?? { isWhole: false, bytes: 0 };
    this.#forget(blobKey);
    if (more.element) entry.element = more.element;
    const given = this.#add(entry, more.layout);
    this.#known.set(blobKey, entry);
    this.#bytes += entry.bytes;
    for (const oldest of this.#known.keys()) {
      if (this.#bytes <= this.bytesMax) break;
      this.#forget(oldest);
    }
    return given ? { ...knownOf(entry), layout: given } : knownOf(entry);
  }

  /** @returns the layout, where the entry does not keep all of it */
  #add(entry: Entry, layout: PixelLayout | undefined): PixelLayout | undefined {
    if (entry.bytes === 0) entry.bytes = entryBytes;
    if (!layout || entry.isWhole) return undefined;
    if (!layout.encapsulated) {
      entry.native = layout;
      return undefined;
    }
    const share = this.bytesMax / 4;
    // All of so many would push out those of all others.
    if (layout.isWhole && sizeOf(layout.frames) > share) return layout;
    entry.frames ??= new Map();
    const isLarge = sizeOf(layout.frames) > share;
    for (const [number, ranges] of layout.frames) {
      const before = entry.frames.get(number);
      if (before) entry.bytes -= bytesOfFrame(before);
      // Behind those that came before.
      entry.frames.delete(number);
      entry.frames.set(number, ranges);
      entry.bytes += bytesOfFrame(ranges);
      for (const [oldest, itsRanges] of entry.frames) {
        if (entry.bytes <= share) break;
        entry.frames.delete(oldest);
        entry.bytes -= bytesOfFrame(itsRanges);
      }
    }
    entry.isWhole = layout.isWhole;
    return isLarge ? layout : undefined;
  }

  #forget(blobKey: string): void {
    this.#bytes -= this.#known.get(blobKey)?.bytes ?? 0;
    this.#known.delete(blobKey);
  }
}

function sizeOf(frames: EncapsulatedLayout['frames']): number {
  let bytes = entryBytes;
  for (const ranges of frames.values()) bytes += bytesOfFrame(ranges);
  return bytes;
}

function knownOf({ element, native, frames, isWhole }: Entry): KnownPixels {
  const layout = native ?? (frames && { encapsulated: true as const, frames, isWhole });
  return { ...(element ? { element } : {}), ...(layout ? { layout } : {}) };
}
