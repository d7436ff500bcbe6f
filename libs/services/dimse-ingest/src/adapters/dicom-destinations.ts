import { KeptAssociation, type PeerPool, type ProposedContext } from '@callosum/dimse';

import type { Destinations } from '../application/destination-ports.js';
import type { CallableEntity } from '../domain/application-entity.js';
import type { PeerOptions } from './peer-options.js';

/** Destinations of forwarding and of C-MOVE, called as a storage SCU. */
export class DicomDestinations implements Destinations {
  /** @param subOperationMs the silence of a destination of a C-MOVE until it counts as gone */
  constructor(
    private readonly pool: PeerPool,
    private readonly options: PeerOptions,
    private readonly subOperationMs: number,
  ) {}

  /** An entity that was changed is another peer. */
  with<T>(entity: CallableEntity, work: (peer: KeptAssociation) => Promise<T>): Promise<T> {
    return this.pool.use(JSON.stringify(entity), () => this.options.of(entity), work);
  }

  open(entity: CallableEntity, contexts: readonly ProposedContext[]): KeptAssociation {
    const timeouts = { responseMs: this.subOperationMs };
    return new KeptAssociation(() => ({ ...this.options.of(entity), timeouts }), contexts);
  }

  close(): Promise<void> {
    return this.pool.close();
  }
}
