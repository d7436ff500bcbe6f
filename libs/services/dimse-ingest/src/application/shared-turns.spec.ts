import { describe, expect, it } from 'vitest';

import { SharedTurns } from './shared-turns.js';

describe('turns that are shared', () => {
  it('are half for one at most, and all for several', () => {
    const turns = new SharedTurns(4);
    const [first] = [turns.takeNow('ONE'), turns.takeNow('ONE')];
    expect(turns.takeNow('ONE')).toBeUndefined();
    expect([turns.takeNow('TWO'), turns.takeNow('THREE')]).not.toContain(undefined);
    expect(turns.takeNow('FOUR')).toBeUndefined();
    // Given back twice, one is free.
    first?.();
    first?.();
    expect(turns.takeNow('FOUR')).toBeDefined();
    expect(turns.takeNow('ONE')).toBeUndefined();
  });

  it('are one at least', () => {
    expect(new SharedTurns(1).takeNow('ONE')).toBeDefined();
  });
});
