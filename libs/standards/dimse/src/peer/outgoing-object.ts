import { ContextRefusedError } from '../errors.js';
import type { DatasetSource } from '../messages/fragments.js';
import type { Answer, SubOperationSender } from '../services/handler.js';

/** What a presentation context must be for. */
export interface ObjectKind {
  readonly sopClassUid: string;
  /** As it is kept. */
  readonly transferSyntaxUid: string;
}

/** An object in another transfer syntax than it is kept in. */
export interface OtherForm {
  readonly transferSyntaxUid: string;
  /** Asked for again when an association had to be opened anew. */
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

/**
 * What of an object a peer gets that takes its SOP class in these transfer syntaxes: its bytes as they are kept where that
 * is one of them, else its other form. Undefined where there is nothing it takes.
 * @throws what the other form throws
 */
export async function formFor(object: OutgoingObject, accepted: readonly string[]): Promise<OtherForm | undefined> {
  const { transferSyntaxUid, dataset, otherwise } = object;
  if (accepted.includes(transferSyntaxUid)) return { transferSyntaxUid, dataset };
  const form = accepted.length > 0 ? await otherwise?.(accepted) : undefined;
  return form && accepted.includes(form.transferSyntaxUid) ? form : undefined;
}

/** Result of a presentation context that was not answered, or refused (PS3.8 table 9-18 has none for both). */
const refused = 255;

/**
 * A C-STORE sub-operation of a C-GET, over the association that asks.
 * @throws {ContextRefusedError} the peer does not take it in any form there is; nothing was sent
 * @throws {AssociationAbortedError} as `SubOperationSender.store` @throws what the object's other form throws
 */
export async function storeOver(sender: SubOperationSender, object: OutgoingObject): Promise<Answer> {
  const { sopClassUid, sopInstanceUid, transferSyntaxUid } = object;
  const form = await formFor(object, sender.transferSyntaxesFor(sopClassUid));
  if (!form) throw new ContextRefusedError(sopClassUid, transferSyntaxUid, refused);
  return sender.store({ sopClassUid, sopInstanceUid, ...form });
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
