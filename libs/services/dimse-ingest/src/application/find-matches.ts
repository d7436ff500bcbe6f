import type { DicomJson } from '@callosum/dicom';

import type { FindNegotiation } from '../domain/query-negotiation.js';
import { matchesOwn, readFind, type QueryRoot, tags } from '../domain/query-model.js';
import type { FairTurns } from './fair-turns.js';
import type { QueryIndex } from './query-ports.js';

export interface FoundMatch {
  readonly dataset: DicomJson;
  /** Every key of the identifier was matched by. */
  readonly complete: boolean;
}

/**
 * C-FIND: what the index has, with what only this node can say of it (PS3.4 section C.4.1.1.3.2): the level, who sends
 * it by C-MOVE, and, where it is asked for, that it can be had at once.
 */
export class FindMatches {
  /** @param aet ours */
  constructor(
    private readonly index: QueryIndex,
    private readonly aet: string,
    /** Of the index, by the AEs that ask: one that searches for long must not keep the others waiting. */
    private readonly turns: FairTurns,
  ) {}

  /** @throws {IdentifierError} @throws {SearchTooBroadError} @throws {IndexUnavailableError} */
  async *execute(
    identifier: DicomJson,
    root: QueryRoot,
    { relational, ...matching }: FindNegotiation,
    { callingAet, signal }: { readonly callingAet: string; readonly signal: AbortSignal },
  ): AsyncGenerator<FoundMatch> {
    const query = readFind(identifier, root, relational);
    const own: DicomJson = {
      [tags.queryRetrieveLevel]: { vr: 'CS', Value: [query.level] },
      [tags.retrieveAeTitle]: { vr: 'AE', Value: [this.aet] },
      ...(identifier[tags.instanceAvailability]
        ? { [tags.instanceAvailability]: { vr: 'CS', Value: ['ONLINE'] } }
        : {}),
    };
    if (!matchesOwn(identifier, own, matching.emptyValues)) return;
    const found = this.index.search({ ...query, ...matching }, signal)[Symbol.asyncIterator]();
    try {
      for (;;) {
        // Nobody has a turn while the one that asks reads what was found.
        const giveBack = await this.turns.take(callingAet, signal);
        const { done, value } = await found.next().finally(giveBack);
        if (done) return;
        yield { dataset: { ...value.dataset, ...own }, complete: value.unsupportedKeys.length === 0 };
      }
    } finally {
      await found.return?.();
    }
  }
}
