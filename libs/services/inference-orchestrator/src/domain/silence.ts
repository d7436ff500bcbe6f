/** So many leases in a row a stream may lose, and so many more it may stay silent after one, before it is ended. */
const leasesMax = 2;

/**
 * What a worker that keeps its stream says by saying nothing. It may hang for ever, and each job it were offered would
 * cost that job an attempt and a lease of waiting. So a stream that lost a lease is offered nothing until it is heard
 * again, and one that goes on losing them, or is heard no more, is ended: fewer than the attempts a job has by default.
 */
export class Silence {
  #lost = 0;
  /** When a lease was lost and nothing was heard since; monotonic milliseconds. */
  #since: number | undefined;

  constructor(private readonly leaseMs: number) {}

  /** Whether nothing was heard since a lease was lost. */
  get isUnbroken(): boolean {
    return this.#since !== undefined;
  }

  isTooMuch(now: number): boolean {
    return this.#lost >= leasesMax || (this.#since !== undefined && now - this.#since >= leasesMax * this.leaseMs);
  }

  heard(): void {
    this.#since = undefined;
  }

  /** The worker ended a job as it should. */
  worked(): void {
    this.#lost = 0;
  }

  /** All that are lost in one silence count once: a worker that was away has lost every job it held. */
  lostLease(now: number): void {
    if (this.#since !== undefined) return;
    this.#lost += 1;
    this.#since = now;
  }
}
