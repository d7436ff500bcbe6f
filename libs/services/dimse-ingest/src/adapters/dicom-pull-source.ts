import type { DicomJson } from '@callosum/dicom';
import {
  AssociationAbortedError,
  findDatasets,
  getDatasets,
  moveDatasets,
  PeerUnreachableError,
  type ProposedContext,
  queryContext,
  QueryStatus,
  type RequestHandler,
  type RetrieveOutcome,
  ScuAssociation,
  type ScuOptions,
  storageContexts,
  StudyRoot,
} from '@callosum/dimse';

import type { CallableEntity } from '../domain/application-entity.js';
import { matchesCutCode, matchUnreadableCode } from '../domain/pull.js';
import type { FindProgress, PullSource, PullStudy, RetrieveProgress } from '../application/pull-ports.js';
import type { PeerOptions } from './peer-options.js';

export interface DicomPullSourceOptions {
  /** Our title: the destination of the C-MOVEs. */
  readonly aet: string;
  /** Private SOP classes that are stored here. */
  readonly privateSopClassUids: readonly string[];
  /** A source that fetches from slow media says nothing for long. */
  readonly responseMs: number;
  /** The same for a C-FIND: a look into a database fetches nothing from slow media. */
  readonly searchMs: number;
  readonly onError: (error: unknown) => void;
}

/** Study Root C-FIND, C-MOVE and C-GET, each on an association of its own. */
export class DicomPullSource implements PullSource {
  constructor(
    private readonly peers: PeerOptions,
    private readonly options: DicomPullSourceOptions,
  ) {}

  async *find(entity: CallableEntity, identifier: DicomJson, progress: FindProgress): AsyncGenerator<DicomJson> {
    const { signal, onIncomplete } = progress;
    const association = await ScuAssociation.open(this.#scu(entity), [queryContext(StudyRoot.Find)]);
    const stopEnding = endAfterCancel(association, signal);
    try {
      const { status } = yield* findDatasets(association, StudyRoot.Find, identifier, {
        signal,
        responseMs: this.options.searchMs,
        onUnreadable: () => onIncomplete(matchUnreadableCode),
      });
      if (status !== QueryStatus.Success) onIncomplete(matchesCutCode);
      await association.release();
    } finally {
      stopEnding();
      association.abort();
    }
  }

  move(entity: CallableEntity, identifier: DicomJson, progress: RetrieveProgress): Promise<RetrieveOutcome> {
    const { onProgress, signal } = progress;
    const { aet } = this.options;
    return this.#retrieve(entity, [queryContext(StudyRoot.Move)], signal, (association) =>
      moveDatasets(association, StudyRoot.Move, aet, identifier, { ...this.#query(signal), onProgress }),
    );
  }

  get(
    entity: CallableEntity,
    identifier: DicomJson,
    { sopClassUids, failures }: Pick<PullStudy, 'sopClassUids' | 'failures'>,
    store: NonNullable<RequestHandler['store']>,
    { onProgress, signal }: RetrieveProgress,
  ): Promise<RetrieveOutcome> {
    // What did not come in the contexts of the first attempt may in those of the second.
    const prefer = failures % 2 === 0 ? 'depth' : 'breadth';
    const { privateSopClassUids } = this.options;
    const contexts = [queryContext(StudyRoot.Get), ...storageContexts({ sopClassUids, privateSopClassUids, prefer })];
    return this.#retrieve(entity, contexts, signal, (association) =>
      getDatasets(association, StudyRoot.Get, identifier, { ...this.#query(signal), onProgress, store }),
    );
  }

  /** @throws {PeerUnreachableError} also where no association came to be; AssociationAbortedError is of one that stood */
  async #retrieve(
    entity: CallableEntity,
    contexts: readonly ProposedContext[],
    signal: AbortSignal,
    work: (association: ScuAssociation) => Promise<RetrieveOutcome>,
  ): Promise<RetrieveOutcome> {
    const association = await ScuAssociation.open(this.#scu(entity), contexts).catch(noAssociation);
    const stopEnding = endAfterCancel(association, signal);
    try {
      const outcome = await work(association);
      // It has answered: how its association ends takes nothing of that back.
      await association.release().catch(() => undefined);
      return outcome;
    } finally {
      stopEnding();
      association.abort();
    }
  }

  #scu(entity: CallableEntity): ScuOptions {
    return { ...this.peers.of(entity), onError: this.options.onError };
  }

  #query(signal: AbortSignal) {
    return { signal, responseMs: this.options.responseMs };
  }
}

function noAssociation(error: unknown): never {
  if (!(error instanceof AssociationAbortedError)) throw error;
  throw new PeerUnreachableError('no answer to the association request', { cause: error });
}

/** A peer that does not answer the C-CANCEL within this time is left. */
const cancelMs = 5_000;

function endAfterCancel(association: ScuAssociation, signal: AbortSignal): () => void {
  const end = (): void => void setTimeout(() => association.abort(), cancelMs).unref();
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  return () => signal.removeEventListener('abort', end);
}
