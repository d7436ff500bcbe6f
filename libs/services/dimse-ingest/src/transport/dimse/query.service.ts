import type { AssociationInfo, Match, QueryRequest } from '@callosum/dimse';

import type { FindMatches } from '../../application/find-matches.js';
import { answerFind, findNegotiation } from '../../domain/query-negotiation.js';
import { findAnswers } from './answers.js';
import type { DimseService, OpenAssociation, ServiceHandler } from './dimse-service.js';
import { encodeMatch, readIdentifier } from './identifiers.js';
import { acceptQuery, findClasses } from './query-sop-classes.js';
import { queryFailure } from './query-status.js';

/** C-FIND in the Patient Root and Study Root models. */
export class QueryService implements DimseService {
  readonly abstractSyntaxUids = Object.keys(findClasses);
  readonly accept = acceptQuery;

  constructor(private readonly findMatches: FindMatches) {}

  answerExtended(_sopClassUid: string, information: Uint8Array): Uint8Array | undefined {
    return answerFind(information);
  }

  open({ info }: OpenAssociation): ServiceHandler {
    return { find: (request) => this.#find(request, info) };
  }

  async *#find(
    request: QueryRequest,
    { callingAet, extendedNegotiation }: AssociationInfo,
  ): AsyncGenerator<Match, undefined> {
    const { abstractSyntaxUid, transferSyntaxUid, signal } = request;
    const root = findClasses[abstractSyntaxUid] ?? 'study';
    const negotiated = findNegotiation(extendedNegotiation, abstractSyntaxUid);
    try {
      const identifier = readIdentifier(request.identifier, transferSyntaxUid, findAnswers.unreadable);
      const caller = { callingAet, signal };
      for await (const match of this.findMatches.execute(identifier.dataset, root, negotiated, caller)) {
        yield {
          identifier: encodeMatch(match.dataset, transferSyntaxUid, identifier.characterSet),
          status: (match.complete ? findAnswers.match : findAnswers.matchOfSomeKeys).status,
        };
      }
    } catch (error) {
      // A C-CANCEL or the end of the association cut the search off; the library answers it.
      if (!signal.aborted) throw queryFailure(error, 'find');
    }
    return undefined;
  }
}
