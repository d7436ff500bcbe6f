import { type MoveOriginator, type ProposedContext, ScuAssociation } from '@callosum/dimse';

import type { DestinationAssociation, Destinations } from '../application/query-ports.js';
import type { CallableEntity } from '../domain/application-entity.js';
import type { PeerOptions } from './peer-options.js';

/** Destinations of C-MOVE, called as a storage SCU. */
export class DimseDestinations implements Destinations {
  /** @param responseMs a destination's silence until it counts as gone */
  constructor(
    private readonly peers: PeerOptions,
    private readonly responseMs: number,
  ) {}

  async open(
    entity: CallableEntity,
    contexts: readonly ProposedContext[],
    originator: MoveOriginator,
  ): Promise<DestinationAssociation> {
    const options = this.peers.of(entity);
    const timeouts = { ...options.timeouts, responseMs: this.responseMs };
    const association = await ScuAssociation.open({ ...options, timeouts }, contexts);
    return {
      transferSyntaxesFor: (sopClassUid) =>
        association.contexts
          .filter(({ abstractSyntaxUid }) => abstractSyntaxUid === sopClassUid)
          .map(({ transferSyntaxUid }) => transferSyntaxUid),
      store: async ({ sopClassUid, sopInstanceUid, transferSyntaxUid, dataset }) => {
        const contextId = association.contextFor(sopClassUid, transferSyntaxUid);
        return association.store(contextId, sopClassUid, sopInstanceUid, dataset, originator);
      },
      release: () => association.release().catch(() => association.abort()),
    };
  }
}
