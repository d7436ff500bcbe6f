/**
 * Bytes of datasets that are kept whole, of all associations of the process together: each is within its own limit, but
 * many peers that send long ones slowly, or wait for slow answers, would hold the product of all limits.
 */
export class KeptDatasets {
  #byteCount = 0;

  constructor(private readonly bytesMax: number) {}

  get byteCount(): number {
    return this.#byteCount;
  }

  /** The part of one dataset. */
  share(): KeptShare {
    let own = 0;
    return {
      grow: (bytes) => {
        if (this.#byteCount + bytes > this.bytesMax) return false;
        this.#byteCount += bytes;
        own += bytes;
        return true;
      },
      release: () => {
        this.#byteCount -= own;
        own = 0;
      },
    };
  }
}

export interface KeptShare {
  /** @returns false when there is no room for so many bytes more */
  grow(bytes: number): boolean;
  /** Nothing of it is kept any more; idempotent. */
  release(): void;
}

/** A quarter of a GiB: room for 64 of the longest, and for thousands as they are. */
export const keptDatasets = new KeptDatasets(256 * 1024 * 1024);
