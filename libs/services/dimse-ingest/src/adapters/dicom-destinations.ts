import { KeptAssociation, type ProposedContext } from '@callosum/dimse';

import type { Destinations } from '../application/destination-ports.js';
import type { CallableEntity } from '../domain/application-entity.js';
import type { PeerOptions } from './peer-options.js';

/** Destinations of forwarding and of C-MOVE, called as a storage SCU. */
export class DicomDestinations implements Destinations {
  /** @param subOperationMs the silence of a destination of a C-MOVE until it counts as gone */
  constructor(
    private readonly options: PeerOptions,
    private readonly subOperationMs: number,
  ) {}

  async with<T>(entity: CallableEntity, work: (peer: KeptAssociation) => Promise<T>): Promise<T> {
    const peer = new KeptAssociation(() => this.options.of(entity));
    try {
      return await work(peer);
    } finally {
      await peer.close();
    }
  }

  open(entity: CallableEntity, contexts: readonly ProposedContext[]): KeptAssociation {
    const timeouts = { responseMs: this.subOperationMs };
    return new KeptAssociation(() => ({ ...this.options.of(entity), timeouts }), contexts);
  }
}
