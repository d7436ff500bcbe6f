import { describe, expect, it } from 'vitest';

import { LeaseWindow } from './lease-window.js';

/** As identity-mapping grants and keeps them; the contract spec there holds the database to it. */
const grantedMs = 60_000;
const marginMs = 5_000;

/** mulberry32: the same seed gives the same schedule. */
function randomOf(seed: number): (from: number, to: number) => number {
  let state = seed;
  return (from, to) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return from + (((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * (to - from);
  };
}

/** Clocks of a holder: each of its own speed, one that is set at will, one that stands still in suspension. */
class Holder {
  trueMs: number;
  private monotonic = 0;
  private wall: number;

  constructor(
    at: number,
    private readonly speeds: { readonly monotonic: number; readonly wall: number },
    offsetMs: number,
  ) {
    this.trueMs = at;
    this.wall = at + offsetMs;
  }

  readonly clocks = { monotonicMs: () => this.monotonic, wallMs: () => this.wall };

  run(ms: number): void {
    this.trueMs += ms;
    this.monotonic += ms * this.speeds.monotonic;
    this.wall += ms * this.speeds.wall;
  }

  suspend(ms: number): void {
    this.trueMs += ms;
    this.wall += ms * this.speeds.wall;
  }

  setWall(byMs: number): void {
    this.wall += byMs;
  }
}

const dayMs = 86_400_000;

describe('a lease on two machines whose clocks disagree', () => {
  it('is never used after the grantor has let go of it (10,000 seeded schedules)', () => {
    let used = 0;
    for (let seed = 1; seed <= 10_000; seed++) {
      const random = randomOf(seed);
      const speed = (): number => random(0.99, 1.01);
      const holder = new Holder(random(0, dayMs), { monotonic: speed(), wall: speed() }, random(-dayMs, dayMs));
      const grantorSpeed = speed();

      const window = new LeaseWindow(holder.clocks);
      holder.run(random(0, 2_000));
      const grantedAt = holder.trueMs;
      holder.run(random(0, 40_000));
      // Either the machine slept, or somebody set the clock; both at once could hide one another.
      const trouble = random(0, 4);
      if (trouble < 1) holder.suspend(random(0, 120_000));
      else if (trouble < 2) holder.setWall(random(-dayMs, dayMs));

      const remainingMs = window.remainingMs(grantedMs);
      if (remainingMs === 0) continue;
      used++;
      // The write's abort is a timer of the monotonic clock.
      const lastUse = holder.trueMs;
      holder.run(remainingMs / 0.99);
      const released = grantedAt + (grantedMs + marginMs) / grantorSpeed;
      expect(lastUse, `seed ${seed}`).toBeLessThan(released);
      expect(holder.trueMs, `seed ${seed}`).toBeLessThan(released);
    }
    expect(used).toBeGreaterThan(1_000);
  });

  it('would be used too late by either clock alone, or counted from the answer', () => {
    const slept = new Holder(0, { monotonic: 1, wall: 1 }, 0);
    const window = new LeaseWindow(slept.clocks);
    slept.suspend(90_000);
    expect(slept.clocks.monotonicMs()).toBe(0);
    expect(window.remainingMs(grantedMs)).toBe(0);

    const setBack = new Holder(0, { monotonic: 1, wall: 1 }, 0);
    const other = new LeaseWindow(setBack.clocks);
    setBack.run(90_000);
    setBack.setWall(-dayMs);
    expect(other.remainingMs(grantedMs)).toBe(0);
  });

  it('is whole when nothing is wrong, whatever the clocks show', () => {
    const holder = new Holder(0, { monotonic: 1, wall: 1 }, 5 * dayMs);
    const window = new LeaseWindow(holder.clocks);
    holder.run(1_000);
    expect(window.remainingMs(grantedMs)).toBe(59_000);
  });
});
