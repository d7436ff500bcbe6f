import type { DicomJson } from '@callosum/dicom';

import type { FindNegotiation } from '../domain/query-negotiation.js';
import { matchesOwn, readFind, type QueryRoot, tags } from '../domain/query-model.js';
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
  ) {}

  /** @throws {IdentifierError} @throws {SearchTooBroadError} @throws {MatchTooLargeError} @throws {IndexUnavailableError} */
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
    // The index has its turns go by who asks: turns of ours would have short searches wait for long ones.
    const search = { ...query, ...matching, asker: `aet:${callingAet}` };
    for await (const { dataset, unsupportedKeys } of this.index.search(search, signal))
      yield { dataset: { ...dataset, ...own }, complete: unsupportedKeys.length === 0 };
  }
}
