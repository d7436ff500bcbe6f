/**
 * Bytes of datasets that are kept whole, of all associations of the process together: each is within its own limit, but
 * many peers that send long ones slowly, or wait for slow answers, would hold the product of all limits. One peer has a
 * part of the room only, however many associations it opens: the others find some left.
 */
export class KeptDatasets {
  #byteCount = 0;
  /** Only of peers that keep something. */
  readonly #byPeer = new Map<string, number>();

  constructor(
    private readonly bytesMax: number,
    private readonly peerBytesMax: number,
  ) {}

  get byteCount(): number {
    return this.#byteCount;
  }

  /** The part of one dataset. @param peer whose it is: an AE title */
  share(peer: string): KeptShare {
    let own = 0;
    return {
      grow: (bytes) => {
        const ofPeer = this.#byPeer.get(peer) ?? 0;
        if (this.#byteCount + bytes > this.bytesMax || ofPeer + bytes > this.peerBytesMax) return false;
        this.#byteCount += bytes;
        this.#byPeer.set(peer, ofPeer + bytes);
        own += bytes;
        return true;
      },
      release: () => {
        if (own === 0) return;
        this.#byteCount -= own;
        const left = (this.#byPeer.get(peer) ?? 0) - own;
        if (left > 0) this.#byPeer.set(peer, left);
        else this.#byPeer.delete(peer);
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

const mib = 1024 * 1024;

/** A quarter of a GiB: room for 64 of the longest, 16 of them of one peer, and for thousands as they are. */
export const keptDatasets = new KeptDatasets(256 * mib, 64 * mib);
