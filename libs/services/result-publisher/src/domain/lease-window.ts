/** Two clocks of one machine: either may be wrong, and only what both allow is allowed. */
export interface Clocks {
  /** Milliseconds of a clock that never jumps, and that may stand still while the machine is suspended. */
  monotonicMs(): number;
  /** Milliseconds of a clock that may be set back or forward, and that goes on while the machine is suspended. */
  wallMs(): number;
}

export const systemClocks: Clocks = { monotonicMs: () => performance.now(), wallMs: () => Date.now() };

/**
 * How long a lease may be used, on the holder's side. It begins before the lease is asked for, so that it ends before
 * the grantor's, which began later and keeps a margin beyond: neither reads the other's clock.
 */
export class LeaseWindow {
  private readonly monotonicMs: number;
  private readonly wallMs: number;

  /** To be made before the request for the lease is sent. */
  constructor(private readonly clocks: Clocks) {
    this.monotonicMs = clocks.monotonicMs();
    this.wallMs = clocks.wallMs();
  }

  /** Milliseconds left of a lease of `grantedMs`; never negative. */
  remainingMs(grantedMs: number): number {
    const elapsedMs = Math.max(this.clocks.monotonicMs() - this.monotonicMs, this.clocks.wallMs() - this.wallMs);
    return Math.max(0, grantedMs - elapsedMs);
  }
}
