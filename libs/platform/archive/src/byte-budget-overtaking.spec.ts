import { setImmediate as settled } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { ByteBudget } from './byte-budget.js';

/** mulberry32: the same sizes and pauses in every run. */
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
const overtakenMs = 100;

interface Asked {
  readonly byteCount: number;
  readonly patience: AbortController;
  giveBack?: (left?: number) => void;
  gaveUp?: boolean;
}

/** A budget, whoever asked it in their order, and its clock. */
class Watched {
  now = 0;
  readonly asked: Asked[] = [];
  readonly #budget: ByteBudget;

  constructor(ms = overtakenMs) {
    this.#budget = new ByteBudget(bytesMax, { overtakenMs: ms, now: () => this.now });
  }

  ask(byteCount: number): Asked {
    const one: Asked = { byteCount, patience: new AbortController() };
    this.asked.push(one);
    this.#budget.take(byteCount, one.patience.signal).then(
      (giveBack) => (one.giveBack = giveBack),
      () => (one.gaveUp = true),
    );
    return one;
  }

  get waiting(): Asked[] {
    return this.asked.filter(({ giveBack, gaveUp }) => !giveBack && !gaveUp);
  }

  /** Those that hold something, which `ended` are not. */
  holding(ended: ReadonlySet<Asked>): Asked[] {
    return this.asked.filter((one) => one.giveBack && !ended.has(one));
  }
}

describe.each(Array.from({ length: 20 }, (_, seed) => seed))('whoever overtakes, in order %i', (seed) => {
  it('memory is never passed, nobody who has long been the first is overtaken, and all have their turn', async () => {
    const random = seeded(seed + 1);
    const watched = new Watched();
    const ended = new Set<Asked>();
    /** Who waits first, and since when it does. */
    let front: { readonly one: Asked; readonly since: number } | undefined;
    const end = (one: Asked | undefined): void => {
      if (!one) return;
      ended.add(one);
      one.giveBack?.();
    };
    let overtakings = 0;
    for (let step = 0; step < 300; step++) {
      const before = watched.waiting;
      const dice = random();
      const size = random() < 0.2 ? 600 + random() * 600 : random() * 200;
      const one = dice < 0.45 ? watched.ask(Math.ceil(size)) : undefined;
      const holding = watched.holding(ended);
      if (dice >= 0.45 && dice < 0.85) end(holding[Math.floor(random() * holding.length)]);
      if (dice >= 0.85 && dice < 0.9) before[Math.floor(random() * before.length)]?.patience.abort();
      await settled();

      const held = watched.holding(ended).reduce((sum, { byteCount }) => sum + Math.min(byteCount, bytesMax), 0);
      expect(held).toBeLessThanOrEqual(bytesMax);
      const [first, ...others] = watched.waiting;
      if (first !== front?.one) front = first && { one: first, since: watched.now };
      const isOvertaken = front !== undefined && watched.now - front.since < overtakenMs;
      const served = [...before, ...(one ? [one] : [])].filter(({ giveBack }) => giveBack);
      for (const who of served) {
        const passed = watched.waiting.filter((other) => watched.asked.indexOf(other) < watched.asked.indexOf(who));
        overtakings += passed.length;
        if (passed.length > 0) expect(isOvertaken).toBe(true);
      }
      // Room is used: the first waits because it does not fit, and the others for the same or for the first.
      if (first) expect(Math.min(first.byteCount, bytesMax)).toBeGreaterThan(bytesMax - held);
      const acted = one !== undefined || (dice >= 0.45 && dice < 0.85 && holding.length > 0);
      if (acted && isOvertaken)
        for (const other of others) expect(Math.min(other.byteCount, bytesMax)).toBeGreaterThan(bytesMax - held);
      watched.now += random() < 0.5 ? 0 : random() * 40;
    }
    expect(overtakings).toBeGreaterThan(0);
    for (let holding = watched.holding(ended); holding.length > 0; holding = watched.holding(ended)) {
      holding.forEach(end);
      await settled();
    }
    expect(watched.waiting).toEqual([]);
  });
});

describe('one that wants all there is', () => {
  /** Small ones that come all the time, each for 10 ms; when the large one had its turn. */
  const served = async (ms: number): Promise<{ readonly at: number; readonly passed: number }> => {
    const watched = new Watched(ms);
    const small: { readonly one: Asked; readonly until: number }[] = [];
    const come = (): void => void small.push({ one: watched.ask(100), until: watched.now + 10 });
    come();
    await settled();
    const large = watched.ask(bytesMax);
    let passed = 0;
    for (; !large.giveBack && watched.now < 1_000; watched.now += 5) {
      come();
      await settled();
      // Of those who came behind it: it is the second.
      if (!large.giveBack) passed = watched.asked.slice(2).filter(({ giveBack }) => giveBack).length;
      for (const { one, until } of small.splice(0)) {
        if (one.giveBack && until <= watched.now) one.giveBack();
        else small.push({ one, until });
      }
      await settled();
    }
    return { at: watched.now, passed };
  };

  it('lets small ones pass for as long as was said, and has its turn when those have ended', async () => {
    const { at, passed } = await served(overtakenMs);
    expect(passed).toBeGreaterThan(0);
    expect(at).toBeGreaterThanOrEqual(overtakenMs);
    expect(at).toBeLessThanOrEqual(overtakenMs + 20);
  });

  it('lets nobody pass where nothing was said', async () => {
    const { at, passed } = await served(0);
    expect([at <= 20, passed]).toEqual([true, 0]);
  });

  it('may be overtaken from when it is the first, however long it has waited behind others', async () => {
    const watched = new Watched();
    watched.ask(600);
    const large = [watched.ask(600), watched.ask(600)];
    await settled();
    watched.now = 2 * overtakenMs;
    const late = watched.ask(100);
    await settled();
    expect(late.giveBack).toBeUndefined();
    large[0]?.patience.abort();
    await settled();
    expect([large[1]?.giveBack, late.giveBack]).toEqual([undefined, expect.any(Function)]);
    watched.now += overtakenMs;
    const later = watched.ask(100);
    await settled();
    expect(later.giveBack).toBeUndefined();
  });
});
