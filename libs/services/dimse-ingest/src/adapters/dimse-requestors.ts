import { CommitmentReporter } from '@callosum/dimse';

import type { ReportChannel, Requestors } from '../application/commitment-ports.js';
import type { ApplicationEntities } from '../application/ports.js';
import { assertTaken } from '../domain/commitment.js';
import { NotCallableError } from '../domain/commitment-errors.js';
import type { PeerOptions } from './peer-options.js';

/** Requestors at the host and port of their AE entry. */
export class DimseRequestors implements Requestors {
  constructor(
    private readonly entities: ApplicationEntities,
    private readonly options: PeerOptions,
  ) {}

  async open(aet: string): Promise<ReportChannel> {
    const entity = await this.entities.callable(aet);
    if (!entity) throw new NotCallableError();
    const reporter = await CommitmentReporter.open(this.options.of(entity));
    return {
      report: async (report) => assertTaken(await reporter.report(report)),
      close: () => reporter.close(),
    };
  }
}
