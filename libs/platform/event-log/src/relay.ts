import { sql, type QueryExecutorProvider } from 'kysely';

import { batchBytesMax } from './envelope.js';
import type { EventLog } from './event-log.js';
import { Inbox } from './inbox.js';
import { toEvent } from './rows.js';
import { Sent } from './sent.js';
import type { EventRow, SqlDatabase } from './sql.js';
import { Waker } from './waker.js';

export interface RelayOptions {
  readonly db: SqlDatabase;
  readonly log: EventLog;
  /** The service's schema: one relay at a time works on its outbox, of all replicas. */
  readonly schema: string;
  readonly onError: (error: unknown) => void;
  /** How long to keep what was sent, for a log that loses its data; not at all where the log is in the same database. */
  readonly sentHours?: number;
}

interface OutboxRow extends EventRow {
  readonly id: number;
}

/** One append: about half a MiB of usual facts, and a pause of some milliseconds. */
const batchRowsMax = 500;
/** A transaction that called `add` usually commits within this time: look often. */
const expectingMs = 2_000;
/** A poll is a statement, and three where something waits: a hundred a second would cost a door more than its objects. */
const pollMinMs = 25;
const pollMaxMs = 250;
/**
 * How long a busy relay keeps the lock and the connection it belongs to: taking and giving them back is two statements
 * more for each append. Others wait no longer for a connection of a small pool, nor another replica for its turn.
 */
const turnMs = 500;
const errorPauseMs = 1_000;
const pruneEveryMs = 3_600_000;

/**
 * Sends what stands in the outbox to the log and removes it once the append is durable: at least once.
 * Order: by id among rows whose transaction is older than every open writing transaction. Of one key, writers
 * that follow each other (they lock the entity's row) have rising ids, and the earlier one has committed before
 * the later one draws its id; so per key this is the order of commits, also when the later writer's transaction
 * began first (there (xid, id) would turn them round). Rows left by a crash are found by polling.
 * It also prunes the service's inbox and what it keeps of facts that were sent, once an hour.
 */
export class OutboxRelay {
  readonly #options: RelayOptions;
  readonly #waker = new Waker();
  #expectUntil = 0;
  #stopping = false;
  #running: Promise<void> | undefined;
  #pruning: NodeJS.Timeout | undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  start(): this {
    this.#running ??= this.#run();
    this.#pruning ??= setInterval(() => void this.#prune().catch(this.#options.onError), pruneEveryMs).unref();
    return this;
  }

  /** After a commit that added events: send now. */
  kick(): void {
    this.expect();
    this.#waker.wake();
  }

  /** A row was written, its commit is near. */
  expect(): void {
    const calm = Date.now() > this.#expectUntil;
    this.#expectUntil = Date.now() + expectingMs;
    if (calm) this.#waker.wake();
  }

  /**
   * Sends what can be sent now.
   * @returns events sent; 0 when another replica is at it
   */
  sendOnce(): Promise<number> {
    return this.#owning((connection) => this.#send(connection));
  }

  async close(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#pruning);
    this.#waker.wake();
    await this.#running;
  }

  /**
   * The lock belongs to the connection, not to a transaction: waiting for the log inside one would run into the
   * idle-in-transaction limit, and a second relay would start beside a living one.
   */
  #owning(send: (connection: QueryExecutorProvider) => Promise<number>): Promise<number> {
    return this.#options.db.connection().execute(async (connection) => {
      if (!(await this.#lock(connection))) return 0;
      try {
        return await send(connection);
      } finally {
        await sql`select pg_advisory_unlock(hashtext('callosum.outbox'), hashtext(${this.#options.schema}))`.execute(
          connection,
        );
      }
    });
  }

  async #send(connection: QueryExecutorProvider): Promise<number> {
    const rows = await this.#next(connection);
    if (rows.length === 0) return 0;
    await this.#options.log.append(rows.map(toEvent));
    await this.#remove(
      connection,
      rows.map(({ id }) => id),
    );
    return rows.length;
  }

  /** Sends while facts are expected, for one turn. @returns events sent at last */
  async #sendForATurn(connection: QueryExecutorProvider): Promise<number> {
    const ends = Date.now() + turnMs;
    for (;;) {
      const { turn } = this.#waker;
      const sent = await this.#send(connection);
      const now = Date.now();
      if (this.#stopping || now >= ends || now >= this.#expectUntil) return sent;
      if (sent < batchRowsMax) await this.#waker.wait(turn, pollMinMs);
    }
  }

  /** What the log has taken. */
  async #remove(connection: QueryExecutorProvider, ids: readonly number[]): Promise<void> {
    if (this.#sentHours > 0) await Sent.keep(connection, ids);
    else await sql`delete from outbox where id = any(${ids}::bigint[])`.execute(connection);
  }

  get #sentHours(): number {
    return this.#options.sentHours ?? 0;
  }

  async #prune(): Promise<void> {
    await Inbox.prune(this.#options.db);
    await Sent.prune(this.#options.db, this.#sentHours);
  }

  /**
   * Only where something waits. What is sent is read by statements of their own, whose snapshots are of behind the lock:
   * this one's may show what another relay has sent meanwhile.
   */
  async #lock(connection: QueryExecutorProvider): Promise<boolean> {
    const { rows } = await sql<{ mine: boolean }>`
      select case when (select min(id) from outbox) is not null
        then pg_try_advisory_lock(hashtext('callosum.outbox'), hashtext(${this.#options.schema}))
        else false end as mine`.execute(connection);
    return rows[0]?.mine ?? false;
  }

  /**
   * At most `batchRowsMax` rows, and of large ones as many as a send takes: what one append gives the log is removed
   * before more is read, so a failure repeats little, and memory holds no more.
   */
  async #next(connection: QueryExecutorProvider): Promise<OutboxRow[]> {
    const { rows } = await sql<OutboxRow>`
      select * from (
        select waiting.*, row_number() over by_id as place, sum(octet_length(value)) over by_id as bytes
        from (
          select * from outbox where xid < pg_snapshot_xmin(pg_current_snapshot()) order by id limit ${batchRowsMax}
        ) as waiting window by_id as (order by id)
      ) as measured where place = 1 or bytes <= ${batchBytesMax} order by id`.execute(connection);
    return rows;
  }

  async #run(): Promise<void> {
    let pauseMs = pollMinMs;
    while (!this.#stopping) {
      const { turn } = this.#waker;
      try {
        const sent = await this.#owning((connection) => this.#sendForATurn(connection));
        pauseMs = sent > 0 || Date.now() < this.#expectUntil ? pollMinMs : Math.min(pollMaxMs, pauseMs * 1.5);
        if (sent === batchRowsMax) continue;
      } catch (error) {
        this.#options.onError(error);
        pauseMs = errorPauseMs;
      }
      if (!this.#stopping) await this.#waker.wait(turn, pauseMs);
    }
  }
}
