import type { KeptAssociation, PeerPool } from '@callosum/dimse';

import type { Destinations } from '../application/forwarding-ports.js';
import type { CallableEntity } from '../domain/application-entity.js';
import type { PeerOptions } from './peer-options.js';

/** Destinations over kept associations. */
export class DicomDestinations implements Destinations {
  constructor(
    private readonly pool: PeerPool,
    private readonly options: PeerOptions,
  ) {}

  /** An entity that was changed is another peer. */
  with<T>(entity: CallableEntity, work: (peer: KeptAssociation) => Promise<T>): Promise<T> {
    return this.pool.use(JSON.stringify(entity), () => this.options.of(entity), work);
  }

  close(): Promise<void> {
    return this.pool.close();
  }
}
