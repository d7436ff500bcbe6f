import type { Topic } from '@callosum/contracts';
import { newId, systemClock, type Clock } from '@callosum/kernel';
import { currentTraceparent } from '@callosum/telemetry';
import { sql } from 'kysely';

import { currentEvent } from './context.js';
import { assertEnvelope } from './envelope.js';
import { OutboxFullError } from './errors.js';
import type { LogEvent } from './event.js';
import { eventColumns, eventValues } from './rows.js';
import type { SqlTransaction } from './sql.js';

/** What the edge of a flow knows; inside a handler it is taken from the event being handled. */
export interface OutboxContext {
  readonly correlationId?: string;
  readonly causationId?: string;
  /** W3C trace context of the fact, where it is not the active one (a row that waited). */
  readonly traceparent?: string;
}

/**
 * Writes events into the service's own `outbox` table inside the caller's transaction: the fact is published
 * if and only if the state it tells of was committed. A relay sends them on.
 */
export interface Outbox {
  /**
   * @throws {OutboxFullError} when `outboxRowsMax` waiting rows are reached (a boundary answers A700 / 503)
   */
  add<M>(trx: SqlTransaction, topic: Topic<M>, message: M, context?: OutboxContext): Promise<void>;
  /** Several, in their order, by one statement. @throws {OutboxFullError} then none is written */
  addAll<M>(trx: SqlTransaction, topic: Topic<M>, facts: readonly OutboxFact<M>[]): Promise<void>;
}

export interface OutboxFact<M> {
  readonly message: M;
  readonly context?: OutboxContext;
}

export interface PostgresOutboxOptions {
  /** Deployed name of the service: `ce_source` is "/callosum/<service>". */
  readonly service: string;
  readonly site?: string;
  readonly outboxRowsMax?: number;
  readonly clock?: Clock;
  /** Told after each row written (not yet committed): the relay looks soon. */
  readonly onAdd?: () => void;
}

/** A day of a busy site's instances at 1 KiB a row is about 100 MiB: refused beyond, before the disk is. */
export const outboxRowsMaxDefault = 100_000;
/** What goes to a log that lost its data has ids below 0 (`Sent.again`). */
const isCounted = sql.raw('id > 0');
/** How old the count of waiting rows may be; the limit may be passed by what one service writes in this time. */
const countMaxAgeMs = 500;

export class PostgresOutbox implements Outbox {
  readonly #options: Required<PostgresOutboxOptions>;
  #waiting = 0;
  #countedAt = 0;

  constructor(options: PostgresOutboxOptions) {
    this.#options = {
      site: 'default',
      outboxRowsMax: outboxRowsMaxDefault,
      clock: systemClock,
      onAdd: () => undefined,
      ...options,
    };
  }

  add<M>(trx: SqlTransaction, topic: Topic<M>, message: M, context: OutboxContext = {}): Promise<void> {
    return this.addAll(trx, topic, [{ message, context }]);
  }

  async addAll<M>(trx: SqlTransaction, topic: Topic<M>, facts: readonly OutboxFact<M>[]): Promise<void> {
    if (facts.length === 0) return;
    await this.#refuseWhenFull(trx);
    await this.#insert(
      trx,
      facts.map(({ message, context = {} }) => this.#envelope(topic, message, context)),
    );
  }

  /** Writes a ready event, e.g. to a dead-letter topic; never refused, for it replaces work already accepted. */
  async forward(trx: SqlTransaction, event: LogEvent): Promise<void> {
    await this.#insert(trx, [event]);
  }

  async #insert(trx: SqlTransaction, events: readonly LogEvent[]): Promise<void> {
    const rows = events.map((event) => sql`(${eventValues(event)})`);
    await sql`insert into outbox (${eventColumns}) values ${sql.join(rows)}`.execute(trx);
    this.#waiting += events.length;
    this.#options.onAdd();
  }

  #envelope<M>(topic: Topic<M>, message: M, context: OutboxContext): LogEvent {
    const cause = currentEvent();
    const causationId = context.causationId ?? cause?.id;
    const traceparent = context.traceparent ?? currentTraceparent();
    const event: LogEvent = {
      topic: topic.name,
      key: topic.keyOf(message),
      id: newId(),
      type: topic.type,
      source: `/callosum/${this.#options.service}`,
      time: this.#options.clock.now(),
      site: this.#options.site,
      correlationId: context.correlationId ?? cause?.correlationId ?? newId(),
      ...(causationId === undefined ? {} : { causationId }),
      ...(traceparent === undefined ? {} : { traceparent }),
      value: JSON.stringify(topic.message.toJSON(message)),
    };
    assertEnvelope(event);
    return event;
  }

  /**
   * Rows leave at the low end of the ids, so max − min bounds their number and costs two index look-ups;
   * only when that bound passes the limit are they counted, at most one more than the limit. What goes to a log that
   * lost its data (docs/adr/0059) is not counted again.
   */
  async #refuseWhenFull(trx: SqlTransaction): Promise<void> {
    const { outboxRowsMax } = this.#options;
    const full = this.#waiting >= outboxRowsMax;
    if (full || Date.now() - this.#countedAt > countMaxAgeMs) {
      this.#waiting = await this.#count(trx);
      this.#countedAt = Date.now();
    }
    if (this.#waiting >= outboxRowsMax) throw new OutboxFullError(outboxRowsMax);
  }

  async #count(trx: SqlTransaction): Promise<number> {
    const { rows } = await sql<{ bound: number }>`
      select coalesce((select max(id) from outbox) - (select min(id) from outbox where ${isCounted}) + 1, 0)::float8 as bound`.execute(
      trx,
    );
    const bound = rows[0]?.bound ?? 0;
    if (bound < this.#options.outboxRowsMax) return bound;
    const counted = await sql<{ count: number }>`
      select count(*)::float8 as count from (
        select 1 from outbox where ${isCounted} limit ${this.#options.outboxRowsMax}
      ) as waiting`.execute(trx);
    return counted.rows[0]?.count ?? 0;
  }
}
