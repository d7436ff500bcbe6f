import { AsyncLocalStorage } from 'node:async_hooks';
import { performance } from 'node:perf_hooks';

import pg from 'pg';

import { DatabaseUnavailableError } from './errors.js';
import { type TlsFiles, tlsRefusal } from './tls.js';

export interface DatabaseClientConfig extends pg.ClientConfig {
  /** Undefined is no TLS, whatever the variables of libpq (PGSSLMODE) say. */
  readonly tls: TlsFiles | undefined;
  /** A server that owes an answer for so long is gone; see `silenceMs`. */
  readonly silentMsMax: number;
}

/**
 * What a living server may take longer than its statement_timeout to say so: its own word comes first, and this client's
 * only when the server, or the way to it, has vanished without a reset.
 */
export const silenceGraceMs = 5_000;
/** A timer that is this late belongs to a process that stood still (stopped, a paused machine), not to a silent server. */
const stoodStillMs = 1_000;

const scope = new AsyncLocalStorage<number>();

/**
 * Queries that `work` sends may leave the server silent for so long: for sessions that were given another
 * statement_timeout than their pool's.
 */
export function allowSilence<T>(statementTimeoutMs: number, work: () => Promise<T>): Promise<T> {
  return scope.run(statementTimeoutMs + silenceGraceMs, work);
}

const preparing = new AsyncLocalStorage<true>();
/** Each takes some 100 KiB of the server for as long as the connection lives; what is beyond goes unprepared. */
const preparedMax = 64;

/** Of a prepared statement that can no longer be used: its columns are others now, or the server has forgotten it. */
const stale: ReadonlySet<unknown> = new Set(['0A000', '26000']);

/**
 * Queries that `work` sends are prepared, once by each connection and text. PostgreSQL plans the first five of each for
 * their values, and the others once for all values where that seems no dearer: for statements only that find about as much
 * with any value, such as one row by its key, and of which there are few texts.
 */
export function asPrepared<T>(work: () => Promise<T>): Promise<T> {
  return preparing.run(true, work);
}

/**
 * One connection. Beside pg's own client it gives up a server that says nothing: TCP alone takes some 15 minutes to notice
 * that a peer it has sent something to is gone (tcp_retries2; Node.js cannot set TCP_USER_TIMEOUT). pg's own query_timeout
 * does not do: it tells the caller, and leaves the connection waiting for the old answer with the next query behind it.
 */
export class DatabaseClient extends pg.Client {
  readonly #silentMsMax: number;
  readonly #server: string;
  /** Queries that were sent or wait behind those, without an answer. */
  #unanswered = 0;
  #allowedMs = 0;
  #dueAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #givenUp: DatabaseUnavailableError | undefined;
  /** Names of prepared statements by text. */
  readonly #prepared = new Map<string, string>();
  #names = 0;

  constructor(config: DatabaseClientConfig) {
    // A pool's options hide the password from spreading.
    super({ ...config, password: config.password, ssl: config.tls?.current() ?? false });
    this.#silentMsMax = config.silentMsMax;
    this.#server = `${this.host}:${this.port}`;
    this.#nameRefusals();
    this.#watchQueries();
  }

  /** What pg throws of TLS has no code, or the library's words. */
  #nameRefusals(): void {
    type Opened = (error: Error | null, client?: pg.Client) => void;
    const open = this.connect.bind(this) as (told: Opened) => void;
    const named = (error: Error): Error => tlsRefusal(error, this.#server) ?? lateConnection(error);
    const connect = (told?: Opened): Promise<pg.Client> | undefined => {
      if (told) return void open((error, client) => told(error ? named(error) : error, client));
      return new Promise((resolve, reject) => open((error) => (error ? reject(named(error)) : resolve(this))));
    };
    this.connect = connect as typeof this.connect;
  }

  #watchQueries(): void {
    const send = this.query.bind(this) as (...parts: unknown[]) => unknown;
    const query = (...parts: unknown[]): unknown => {
      const told = parts.at(-1) as unknown;
      // Such as the rollback of a transaction, whose error would hide this one.
      if (this.#givenUp && typeof told !== 'function') return Promise.reject(this.#givenUp);
      const answered = this.#asked();
      if (typeof told === 'function')
        return send(...parts.slice(0, -1), (...outcome: unknown[]) => {
          answered();
          (told as (...outcome: unknown[]) => void)(...outcome);
        });
      const sent = this.#preparedOf(parts);
      const result = send(...sent);
      if (result instanceof Promise) {
        void result.then(answered, answered);
        if (sent !== parts) void result.catch((error: unknown) => this.#forgetStale(parts[0] as string, error));
      }
      // A cursor's own answers are not seen: nothing here uses one.
      else answered();
      return result;
    };
    this.query = query as typeof this.query;
  }

  #preparedOf(parts: readonly unknown[]): readonly unknown[] {
    const [text, values] = parts;
    if (preparing.getStore() !== true || typeof text !== 'string') return parts;
    let name = this.#prepared.get(text);
    if (name === undefined) {
      if (this.#prepared.size >= preparedMax) return parts;
      name = `p${this.#names++}`;
      this.#prepared.set(text, name);
    }
    return [{ name, text, values }];
  }

  /** The next of its text is prepared under another name. */
  #forgetStale(text: string, error: unknown): void {
    if (stale.has((error as { code?: unknown } | null)?.code)) this.#prepared.delete(text);
  }

  #asked(): () => void {
    this.#allowedMs = scope.getStore() ?? this.#silentMsMax;
    // The clock of the first runs on: those behind it are not sent before it is answered.
    if (this.#unanswered++ === 0) this.#wait(this.#allowedMs);
    return () => {
      clearTimeout(this.#timer);
      if (--this.#unanswered > 0) this.#wait(this.#allowedMs);
    };
  }

  #wait(ms: number): void {
    this.#dueAt = performance.now() + ms;
    this.#timer = setTimeout(() => this.#due(), ms).unref();
  }

  #due(): void {
    // The answer may have come while nobody read it.
    if (performance.now() - this.#dueAt > stoodStillMs) return this.#wait(silenceGraceMs);
    this.#givenUp = new DatabaseUnavailableError(
      `PostgreSQL at ${this.#server} did not answer for ${this.#allowedMs} ms: the connection was given up`,
    );
    // Ends every query of this connection with that error, and a pool throws the connection away.
    this.connection.stream.destroy(this.#givenUp);
  }
}

/** pg's words for a connection that was not made in time, which a pool says otherwise. */
function lateConnection(error: Error): Error {
  return error.message === 'timeout expired'
    ? new DatabaseUnavailableError('PostgreSQL did not take the connection in time', { cause: error })
    : error;
}
