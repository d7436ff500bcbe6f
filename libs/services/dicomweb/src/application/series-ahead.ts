import type { KeptInstance } from './ports/archive.js';
import type { LocatedFrames } from './ports/index.js';
import type { SeriesFrames } from './ports/pixels.js';

/** Series that are remembered to have been asked for. */
const rememberedMax = 1_024;
/** Series that are read at once: each is a question of some milliseconds to the index. */
const readingMax = 4;
const readingMs = 10_000;
/** Objects that came since are asked for one by one, and then the series again. */
const againAfterMs = 30_000;

/**
 * Locates the frames of a whole series when a second one of it has been asked for and was not known: who scrolls asks for
 * all of them, and who wants a thumbnail for one. Nobody waits for it, and nobody is told that it failed: a frame that is
 * not known then is asked for by itself.
 */
export class SeriesAhead {
  /** By Series Instance UID: when it was read last, 0 where it has only been asked for. */
  readonly #seen = new Map<string, number>();
  #reading = 0;

  constructor(
    private readonly series: SeriesFrames,
    private readonly learn: (blobKey: string, located: LocatedFrames) => void,
    private readonly now: () => number = Date.now,
  ) {}

  /** A frame of a single-frame object was not known. */
  missed({ studyInstanceUid, seriesInstanceUid }: KeptInstance): void {
    const readAt = this.#seen.get(seriesInstanceUid);
    if (readAt === undefined) return this.#remember(seriesInstanceUid, 0);
    if (this.#reading >= readingMax || this.now() - readAt < againAfterMs) return;
    this.#remember(seriesInstanceUid, this.now());
    this.#reading++;
    void this.#read(studyInstanceUid, seriesInstanceUid).finally(() => this.#reading--);
  }

  async #read(studyInstanceUid: string, seriesInstanceUid: string): Promise<void> {
    try {
      const frames = this.series.ofSeries(studyInstanceUid, seriesInstanceUid, AbortSignal.timeout(readingMs));
      for await (const { blobKey, located } of frames) this.learn(blobKey, located);
    } catch {
      // Whoever needs one of them asks for it.
    }
  }

  #remember(seriesInstanceUid: string, readAt: number): void {
    this.#seen.delete(seriesInstanceUid);
    this.#seen.set(seriesInstanceUid, readAt);
    for (const oldest of this.#seen.keys()) {
      if (this.#seen.size <= rememberedMax) break;
      this.#seen.delete(oldest);
    }
  }
}
