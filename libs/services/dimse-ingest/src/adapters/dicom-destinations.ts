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

  /** An entity that moved to another address is another peer. */
  with<T>(entity: CallableEntity, work: (peer: KeptAssociation) => Promise<T>): Promise<T> {
    const { aet, host, port } = entity;
    return this.pool.use(`${aet} ${host} ${port}`, () => this.options.of(entity), work);
  }

  close(): Promise<void> {
    return this.pool.close();
  }
}
