/** kafkajs joins the group again on an error of this type, whatever its cause. */
export class RejoinError extends Error {
  readonly type = 'ILLEGAL_GENERATION';

  constructor() {
    super('the group is being divided anew');
  }
}

/** Answers to a heartbeat that say: another generation has our partitions. */
const takenAway = new Set(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID']);

export interface MembershipOptions {
  /** The broker gives our partitions away when it heard nothing for this time. */
  readonly sessionTimeoutMs: number;
  /** What a running handler gets to end once the group is being divided anew. */
  readonly drainMs: number;
}

/**
 * A member's hold on its partitions for one generation of the group. Ending: nothing new is begun, what runs may end
 * and be committed. Lost: the partitions may be another member's; nothing of this generation is committed any more, and
 * handlers that still run are told by `signal` that they decide nothing about their event.
 */
export class Membership {
  readonly #lost = new AbortController();
  readonly #whenLost: Promise<void>;
  #heardAt = Date.now();
  #ending = false;
  #draining: NodeJS.Timeout | undefined;

  constructor(private readonly options: MembershipOptions) {
    this.#whenLost = new Promise((resolve) => this.#lost.signal.addEventListener('abort', () => resolve()));
  }

  get ending(): boolean {
    return this.#ending;
  }

  get lost(): boolean {
    return this.#lost.signal.aborted;
  }

  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /** A heartbeat was answered. */
  heard(): void {
    this.#heardAt = Date.now();
  }

  /** Asked before each heartbeat: a process that was stopped, or cut off, for a whole session has lost its partitions. */
  checkSession(): void {
    if (Date.now() - this.#heardAt > this.options.sessionTimeoutMs) this.lose();
  }

  /**
   * The group is divided anew, or its coordinator is another broker or does not answer: we have to come back, and until
   * we do the partitions are ours. kafkajs looks for the coordinator only when it joins, and would ask a dead one on and on.
   */
  heartbeatFailed(error: unknown): void {
    const type = (error as { type?: unknown } | null)?.type;
    if (typeof type === 'string' && takenAway.has(type)) this.lose();
    else this.end();
  }

  /** Begins nothing new; lost after `drainMs` at the latest. */
  end(): void {
    this.#ending = true;
    this.#draining ??= setTimeout(() => this.lose(), this.options.drainMs).unref();
  }

  lose(): void {
    this.#ending = true;
    clearTimeout(this.#draining);
    this.#lost.abort();
  }

  /** @returns true when `work` ended first; rejects when it did and failed */
  async outlasts(work: Promise<unknown>): Promise<boolean> {
    await Promise.race([work, this.#whenLost]);
    return !this.lost;
  }
}
