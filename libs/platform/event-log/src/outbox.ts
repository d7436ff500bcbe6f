import type { Topic } from '@callosum/contracts';
import type { Transaction } from 'kysely';

/** What the edge of a flow knows; inside a handler it is taken from the event being handled. */
export interface OutboxContext {
  readonly correlationId?: string;
  readonly causationId?: string;
}

/**
 * Writes events into the service's own `outbox` table inside the caller's transaction: the fact is published
 * if and only if the state it tells of was committed. A relay sends them on.
 */
export interface Outbox {
  /**
   * @throws {OutboxFullError} when `outboxRowsMax` waiting rows are reached (a boundary answers A700 / 503)
   */
  add<M>(trx: Transaction<never>, topic: Topic<M>, message: M, context?: OutboxContext): Promise<void>;
}
