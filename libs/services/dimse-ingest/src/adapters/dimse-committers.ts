import { type CommitmentReport, type CommitmentRequest, requestCommitment } from '@callosum/dimse';

import type { Committers } from '../application/commitment-ports.js';
import type { ApplicationEntities } from '../application/ports.js';
import { NotCallableError } from '../domain/commitment-errors.js';
import type { PeerOptions } from './peer-options.js';

/** Archives report at once or after a while, then on an association of their own: we do not hold ours for long. */
const reportMs = 5_000;

export class DimseCommitters implements Committers {
  constructor(
    private readonly entities: ApplicationEntities,
    private readonly options: PeerOptions,
    private readonly waitMs = reportMs,
  ) {}

  async ask(aet: string, request: CommitmentRequest): Promise<CommitmentReport | undefined> {
    const entity = await this.entities.callable(aet);
    if (!entity) throw new NotCallableError();
    return requestCommitment(this.options.of(entity), request, this.waitMs);
  }
}
