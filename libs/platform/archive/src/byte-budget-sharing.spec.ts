import { setImmediate as settled } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { ByteBudget } from './byte-budget.js';

/** mulberry32: the same sizes and askers in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const bytesMax = 1_000;
const small = { upTo: 100, beside: 500 };

interface Asked {
  readonly byteCount: number;
  readonly isSmall: boolean;
  readonly asker: string | undefined;
  readonly patience: AbortController;
  /** What is left of it: of one that waits nothing. */
  held: number;
  giveBack?: (left?: number) => void;
  gaveUp?: boolean;
}

const sumOf = (all: readonly Asked[]): number => all.reduce((sum, { held }) => sum + held, 0);

/** A budget, and whoever asked it in their order. */
class Watched {
  readonly asked: Asked[] = [];
  readonly #budget: ByteBudget;

  constructor(overtakenMs = 0) {
    this.#budget = new ByteBudget(bytesMax, { overtakenMs, small, now: () => 0 });
  }

  ask(byteCount: number, asker?: string): Asked {
    const patience = new AbortController();
    const wanted = Math.min(byteCount, bytesMax);
    const one: Asked = { byteCount: wanted, isSmall: wanted <= small.upTo, asker, patience, held: 0 };
    this.asked.push(one);
    this.#budget.take(byteCount, patience.signal, asker).then(
      (giveBack) => {
        one.giveBack = giveBack;
        one.held = wanted;
      },
      () => (one.gaveUp = true),
    );
    return one;
  }

  /** All but so many bytes of it are given back. */
  keep(one: Asked, left: number): void {
    one.held = Math.min(one.held, left);
    one.giveBack?.(left);
  }

  ofKind(isSmall: boolean): { readonly held: number; readonly holding: Asked[]; readonly waiting: Asked[] } {
    const all = this.asked.filter((one) => one.isSmall === isSmall);
    const holding = all.filter(({ held }) => held > 0);
    return { held: sumOf(holding), holding, waiting: all.filter(({ giveBack, gaveUp }) => !giveBack && !gaveUp) };
  }
}

/** The first of a line that does not wait for what its own asker holds. */
function firstInShare({ holding, waiting }: ReturnType<Watched['ofKind']>, share: number): Asked | undefined {
  const past = new Set<string>();
  return waiting.find(({ asker, byteCount }) => {
    if (asker === undefined) return true;
    const held = sumOf(holding.filter((one) => one.asker === asker));
    if (!past.has(asker) && (held === 0 || held + byteCount <= share)) return true;
    past.add(asker);
    return false;
  });
}

describe.each(Array.from({ length: 20 }, (_, seed) => seed))('small and large ones, in order %i', (seed) => {
  it('have each what is theirs, of one who asks half, and all have their turn', async () => {
    const random = seeded(seed + 1);
    const isOvertaken = seed % 2 === 1;
    const watched = new Watched(isOvertaken ? 1 : 0);
    const anyOf = <T>(some: readonly T[]): T | undefined => some[Math.floor(random() * some.length)];
    let most = 0;
    for (let step = 0; step < 400; step++) {
      const waited = watched.asked.filter(({ giveBack, gaveUp }) => !giveBack && !gaveUp);
      const all = watched.asked.filter(({ held }) => held > 0);
      const dice = random();
      if (dice < 0.55) {
        const byteCount = random() < 0.25 ? 101 + random() * 1_100 : 1 + random() * 99;
        waited.push(watched.ask(Math.ceil(byteCount), anyOf([undefined, 'a', 'a', 'b', 'c'])));
      } else if (dice < 0.9) {
        const one = anyOf(all);
        if (one) watched.keep(one, random() < 0.3 ? Math.floor(one.held / 2) : 0);
      } else anyOf(waited)?.patience.abort();
      await settled();

      const [few, many] = [watched.ofKind(true), watched.ofKind(false)];
      const free = bytesMax + small.beside - few.held - many.held;
      most = Math.max(most, few.held + many.held);
      expect(free).toBeGreaterThanOrEqual(0);
      // What is beside is for small ones.
      expect(many.held).toBeLessThanOrEqual(bytesMax);
      const [first, firstLarge] = [firstInShare(few, small.beside / 2), firstInShare(many, bytesMax / 2)];
      // A small one waits for small ones, and for no large one.
      if (first) expect(few.held + first.byteCount).toBeGreaterThan(small.beside);
      if (firstLarge) {
        expect(firstLarge.byteCount).toBeGreaterThan(Math.min(free, bytesMax - many.held));
        // Nor does it wait for small ones that come later: those get no more than what is beside.
        if (waited.some(({ isSmall, held }) => isSmall && held > 0)) expect(few.held).toBeLessThanOrEqual(small.beside);
      } else if (first && !isOvertaken) expect(first.byteCount).toBeGreaterThan(free);
      for (const asker of ['a', 'b', 'c'])
        for (const { holding, share } of [
          { holding: few.holding, share: small.beside / 2 },
          { holding: many.holding, share: bytesMax / 2 },
        ]) {
          const own = holding.filter((one) => one.asker === asker);
          if (own.length > 1) expect(sumOf(own)).toBeLessThanOrEqual(share);
        }
    }
    expect(most).toBeGreaterThan(bytesMax);
    // Where nobody holds anything one goes at least.
    const waiting = watched.asked.filter(({ giveBack, gaveUp }) => !giveBack && !gaveUp).length;
    for (let rounds = 0; rounds <= waiting; rounds++) {
      for (const one of watched.asked) if (one.held > 0) watched.keep(one, 0);
      await settled();
    }
    expect(watched.asked.filter(({ giveBack, gaveUp }) => !giveBack && !gaveUp)).toEqual([]);
  });
});

describe('small ones', () => {
  it('do not wait for large ones, of which many wait and those that hold give nothing back', async () => {
    const watched = new Watched();
    for (const byteCount of [700, 300, 600, 600, bytesMax]) watched.ask(byteCount);
    const some = Array.from({ length: 5 }, () => watched.ask(100));
    await settled();
    expect(some.map(({ held }) => held)).toEqual([100, 100, 100, 100, 100]);
    const more = watched.ask(100);
    await settled();
    expect(more.held).toBe(0);
  });

  it('have all where no large one waits, and give way to one that comes, however many of them come', async () => {
    const watched = new Watched();
    const some = Array.from({ length: 15 }, () => watched.ask(100));
    await settled();
    expect(sumOf(some)).toBe(bytesMax + small.beside);
    const large = watched.ask(bytesMax);
    for (let ended = 0; ended < 10; ended++) {
      expect(large.held).toBe(0);
      some.push(watched.ask(100));
      await settled();
      const one = some[ended];
      if (one) watched.keep(one, 0);
      await settled();
    }
    expect(large.held).toBe(bytesMax);
  });
});

describe('one who asks', () => {
  it('has half, and others have the rest at once, however many of theirs wait', async () => {
    const watched = new Watched();
    const own = Array.from({ length: 4 }, () => watched.ask(250, 'a'));
    const ownSmall = Array.from({ length: 4 }, () => watched.ask(100, 'a'));
    const others = [watched.ask(500, 'b'), watched.ask(100, 'b'), watched.ask(100, 'c')];
    await settled();
    expect([sumOf(own), sumOf(ownSmall), sumOf(others)]).toEqual([500, 200, 700]);
    if (own[0]) watched.keep(own[0], 100);
    await settled();
    expect(sumOf(own)).toBe(350);
    if (own[0]) watched.keep(own[0], 0);
    await settled();
    expect(sumOf(own)).toBe(500);
  });

  it('has more than half by a single one, in its turn: none of theirs passes it, and others do meanwhile', async () => {
    const watched = new Watched();
    const before = watched.ask(200, 'a');
    const large = watched.ask(800, 'a');
    const behind = watched.ask(200, 'a');
    const other = watched.ask(300, 'b');
    await settled();
    expect([before, large, behind, other].map(({ held }) => held)).toEqual([200, 0, 0, 300]);
    watched.keep(before, 0);
    await settled();
    // Now it waits for room, and who comes behind it does too.
    const last = watched.ask(200, 'b');
    await settled();
    expect([large, behind, last].map(({ held }) => held)).toEqual([0, 0, 0]);
    watched.keep(other, 0);
    await settled();
    expect([large, behind, last].map(({ held }) => held)).toEqual([800, 0, 200]);
  });

  it('has all together where they cannot be told apart', async () => {
    const watched = new Watched();
    const sizes = [250, 250, 250, 250, 100, 100, 100, 100, 100];
    const all = sizes.map((byteCount) => watched.ask(byteCount));
    await settled();
    expect(sumOf(all)).toBe(bytesMax + small.beside);
  });
});
