import { CommitmentReporter } from '@callosum/dimse';

import type { ReportChannel, Requestors } from '../application/commitment-ports.js';
import type { ApplicationEntities } from '../application/ports.js';
import { type CallableEntity, isCallable } from '../domain/application-entity.js';
import { assertTaken } from '../domain/commitment.js';
import { NotCallableError } from '../domain/commitment-errors.js';
import { requestorOf } from '../domain/commitment-requestor.js';
import type { PeerOptions } from './peer-options.js';

/** A report is a list of UIDs that its requestor asked for: to take it is quick, and others wait for the worker. */
const reportMs = 30_000;

/** Requestors at the host and port of their AE entry. */
export class DimseRequestors implements Requestors {
  constructor(
    private readonly entities: ApplicationEntities,
    private readonly options: PeerOptions,
    private readonly responseMs = reportMs,
  ) {}

  async open(requestor: string): Promise<ReportChannel> {
    const { aet, host } = requestorOf(requestor);
    const entity = host === undefined ? await this.entities.callable(aet) : await this.#at(aet, host);
    if (!entity) throw new NotCallableError();
    const options = this.options.of(entity);
    const timeouts = { ...options.timeouts, responseMs: this.responseMs };
    const reporter = await CommitmentReporter.open({ ...options, timeouts });
    return {
      report: async (report) => assertTaken(await reporter.report(report)),
      close: () => reporter.close(),
    };
  }

  /** Another node of the same title did not ask: it is told nothing, even where this one's entry cannot be called. */
  async #at(aet: string, host: string): Promise<CallableEntity | undefined> {
    const entities = await this.entities.named(aet);
    return entities.filter(isCallable).find((entity) => entity.host === host);
  }
}
