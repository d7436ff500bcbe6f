import { AssociationAbortedError, ContextRefusedError, PeerUnreachableError } from '../errors.js';
import type { AcceptedContext } from '../exchange/contexts.js';
import { ContextResult } from '../negotiation.js';
import { ScuAssociation } from '../scu/scu-association.js';
import type { ProposedContext, ScuOptions } from '../scu/scu-options.js';
import type { Answer, MoveOriginator } from '../services/handler.js';
import { formFor, type ObjectKind, type OtherForm, type OutgoingObject, WatchedDataset } from './outgoing-object.js';

/** The peer's answer to a C-STORE, and in which transfer syntax the object was sent. */
export interface SentAnswer extends Answer {
  readonly transferSyntaxUid: string;
}

/** What every peer takes that takes the SOP class at all, the better first. */
const uncompressed = ['1.2.840.10008.1.2.1', '1.2.840.10008.1.2'];
/** Each kind needs up to three contexts, of which 128 fit. */
const kindsMax = 42;
/** Peers drop associations that are silent; one found so is no failure of the peer's. */
const staleAfterMs = 250;

/**
 * An association to one peer that is opened when it is needed, with the presentation contexts of what is sent, and opened
 * anew when an object of another kind comes or the peer ended it. One object after the other.
 */
export class KeptAssociation {
  #association: ScuAssociation | undefined;
  /** Kinds the association was opened for. */
  #opened = new Set<string>();
  /** Kinds to propose next, those used last at the end. */
  #kinds = new Map<string, ObjectKind>();
  /** When something was last sent on it, or it was opened. */
  #usedAt = 0;
  /** How often `abort` was called. */
  #aborts = 0;
  /** Nothing has been sent of the object under way, or of one that could not be made ready. */
  #isMaking = false;

  /**
   * @param options asked for at each opening: an address or a certificate may have changed
   * @param contexts proposed at each opening, for whoever knows all that will be sent and its order; else those of the
   *   kinds that were expected
   */
  constructor(
    private readonly options: () => ScuOptions | Promise<ScuOptions>,
    private readonly contexts?: readonly ProposedContext[],
  ) {}

  /**
   * Whether there is an association, or it ended while its object was made ready and nothing was sent: a `store` that failed
   * without ending it failed by its object.
   */
  get isOpen(): boolean {
    return this.#association !== undefined || this.#isMaking;
  }

  /** Says what will be sent, so that one association has the contexts for all of it. */
  expect(kinds: Iterable<ObjectKind>): void {
    for (const { sopClassUid, transferSyntaxUid } of kinds) {
      const key = keyOf({ sopClassUid, transferSyntaxUid });
      this.#kinds.delete(key);
      this.#kinds.set(key, { sopClassUid, transferSyntaxUid });
    }
    for (const key of this.#kinds.keys()) {
      if (this.#kinds.size <= kindsMax) return;
      this.#kinds.delete(key);
    }
  }

  /**
   * C-STORE: the object's bytes as they are kept, private attributes too, or its other form where the peer takes only that.
   * @throws {PeerUnreachableError} no connection, or no answer to the association request
   * @throws {AssociationRejectedError}
   * @throws {AssociationAbortedError} the peer ended it before it answered; the next object opens another
   * @throws {ContextRefusedError} the peer does not take it in any form there is; nothing was sent
   * @throws what the object's dataset or other form throws; the peer has nothing of it then
   *
   * Its other form is made once, also where the association ends meanwhile: the next one gets it.
   */
  async store(object: OutgoingObject, moveOriginator?: MoveOriginator): Promise<SentAnswer> {
    this.#isMaking = false;
    this.expect([object]);
    const aborts = this.#aborts;
    const form = await this.#made(object, await this.#openFor(object, aborts));
    // That may have taken long, and peers end associations that are silent.
    const association = await this.#openFor(object, aborts);
    const idleMs = performance.now() - this.#usedAt;
    try {
      return await this.#store(association, object, form, moveOriginator);
    } catch (error) {
      if (idleMs < staleAfterMs || !(error instanceof AssociationAbortedError) || hadBegun(error)) throw error;
      // Whoever aborted it does not want it sent, by another association neither.
      if (aborts !== this.#aborts) throw error;
      // It had ended while nothing was sent.
      return await this.#store(await this.#openFor(object, aborts), object, form, moveOriginator);
    } finally {
      this.#usedAt = performance.now();
    }
  }

  /** A-RELEASE, where there is an association; an error of the peer's is of no interest any more. */
  async close(): Promise<void> {
    const association = this.#forget();
    await association?.release().catch(() => association.abort());
  }

  /** A-ABORT; a `store` under way fails, also one whose association is being opened. */
  abort(): void {
    this.#aborts += 1;
    this.#forget()?.abort();
  }

  /** @param aborts how often it had been aborted when the work began: afterwards there is none for it */
  async #openFor(kind: ObjectKind, aborts: number): Promise<ScuAssociation> {
    if (aborts !== this.#aborts) throw abortedByUs();
    if (this.#association && (this.contexts || this.#opened.has(keyOf(kind)))) return this.#association;
    await this.close();
    const kinds = [...this.#kinds.values()];
    const contexts = this.contexts ?? proposalsFor(kinds);
    const association = await ScuAssociation.open(await this.options(), contexts).catch(noAssociation);
    this.#association = association;
    this.#usedAt = performance.now();
    this.#opened = new Set(kinds.map(keyOf));
    void association.ended.then(() => {
      if (this.#association === association) this.#forget();
    });
    if (aborts !== this.#aborts) {
      this.#forget()?.abort();
      throw abortedByUs();
    }
    return association;
  }

  /** @throws {ContextRefusedError} @throws what the other form throws */
  async #made(object: OutgoingObject, association: ScuAssociation): Promise<OtherForm> {
    this.#isMaking = true;
    const syntaxes = acceptedFor(association, object).map(({ transferSyntaxUid }) => transferSyntaxUid);
    const form = await formFor(object, syntaxes);
    if (!form) throw refusal(association, object);
    this.#isMaking = false;
    return form;
  }

  async #store(
    association: ScuAssociation,
    object: OutgoingObject,
    { transferSyntaxUid, dataset }: OtherForm,
    moveOriginator: MoveOriginator | undefined,
  ): Promise<SentAnswer> {
    const context = acceptedFor(association, object).find((one) => one.transferSyntaxUid === transferSyntaxUid);
    if (!context) throw refusal(association, object);
    const watched = new WatchedDataset(dataset);
    const { sopClassUid, sopInstanceUid } = object;
    try {
      const answer = await association.store(context.id, sopClassUid, sopInstanceUid, watched.source, moveOriginator);
      return { ...answer, transferSyntaxUid: context.transferSyntaxUid };
    } catch (error) {
      if (error instanceof AssociationAbortedError && this.#association === association) this.#forget();
      // A message that has begun cannot be taken back: the association is gone by now.
      if (watched.failure) throw watched.failure.error;
      throw error;
    }
  }

  #forget(): ScuAssociation | undefined {
    const association = this.#association;
    this.#association = undefined;
    this.#opened = new Set();
    return association;
  }
}

/** We gave the peer up in the middle of the object, or after it: it was there when it began. */
const hadBegun = ({ abortCode }: AssociationAbortedError): boolean =>
  abortCode === 'dimse.no-response' || abortCode === 'dimse.stalled';

const abortedByUs = (): AssociationAbortedError =>
  new AssociationAbortedError('aborted before anything was sent', { abortCode: 'dimse.aborted-by-us' });

/** Whoever sends an object learns that the peer is to blame for it only where the peer had begun to get it. */
function noAssociation(error: unknown): never {
  if (!(error instanceof AssociationAbortedError)) throw error;
  throw new PeerUnreachableError('no answer to the association request', { cause: error });
}

const keyOf = ({ sopClassUid, transferSyntaxUid }: ObjectKind): string => `${sopClassUid} ${transferSyntaxUid}`;

/** A context of its own for each syntax: where one proposes several, the peer picks, and the others cannot be used. */
export function proposalsFor(kinds: readonly ObjectKind[]): ProposedContext[] {
  const pairs = kinds.flatMap(({ sopClassUid, transferSyntaxUid }) =>
    [transferSyntaxUid, ...uncompressed].map((uid) => ({ sopClassUid, transferSyntaxUid: uid })),
  );
  const once = new Map(pairs.map((pair) => [keyOf(pair), pair]));
  return [...once.values()].map(({ sopClassUid, transferSyntaxUid }) => ({
    abstractSyntaxUid: sopClassUid,
    transferSyntaxUids: [transferSyntaxUid],
  }));
}

const acceptedFor = (association: ScuAssociation, { sopClassUid }: ObjectKind): AcceptedContext[] =>
  association.contexts.filter(({ abstractSyntaxUid, weAre }) => abstractSyntaxUid === sopClassUid && weAre.scu);

/** Says why the peer refused it as it is kept, where it did. */
function refusal(association: ScuAssociation, { sopClassUid, transferSyntaxUid }: ObjectKind): ContextRefusedError {
  const { TransferSyntaxesNotSupported } = ContextResult;
  try {
    association.contextFor(sopClassUid, transferSyntaxUid);
  } catch (error) {
    if (error instanceof ContextRefusedError) return error;
    throw error;
  }
  return new ContextRefusedError(sopClassUid, transferSyntaxUid, TransferSyntaxesNotSupported);
}
