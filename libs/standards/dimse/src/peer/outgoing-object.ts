import type { DatasetSource } from '../messages/fragments.js';

/** What a presentation context must be for. */
export interface ObjectKind {
  readonly sopClassUid: string;
  /** As it is kept. */
  readonly transferSyntaxUid: string;
}

/** An object in another transfer syntax than it is kept in. */
export interface OtherForm {
  readonly transferSyntaxUid: string;
  readonly dataset: DatasetSource;
}

/** An object to send to a peer whose transfer syntaxes are not known yet. */
export interface OutgoingObject extends ObjectKind {
  readonly sopInstanceUid: string;
  /** Its bytes as they are kept. Asked for again when an association had to be opened anew. */
  readonly dataset: DatasetSource;
  /**
   * Gives it in one of these transfer syntaxes, for a peer that does not take it as it is kept; undefined when it cannot
   * be given in any. Absent: as it is kept, or not at all.
   */
  readonly otherwise?: (accepted: readonly string[]) => Promise<OtherForm | undefined>;
}

/** A dataset that remembers its own failure: the association's error does not tell it from the peer's. */
export class WatchedDataset {
  #failure: { readonly error: unknown } | undefined;

  constructor(private readonly dataset: DatasetSource) {}

  /** What reading it threw. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  readonly source: DatasetSource = (chunkBytes) => this.#pieces(chunkBytes);

  async *#pieces(chunkBytes: number): AsyncGenerator<Buffer> {
    try {
      yield* this.dataset(chunkBytes);
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }
}
