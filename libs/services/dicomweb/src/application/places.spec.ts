import { describe, expect, it } from 'vitest';

import { Places } from './places.js';

describe('places', () => {
  it('are for all together, and half of them for one', () => {
    const places = new Places(4);
    const [one, other] = [places.take('one'), places.take('one')];
    expect(places.take('one')).toBeUndefined();
    const two = places.take('two');
    places.take('three');
    expect(places.take('four')).toBeUndefined();
    // Given back once, however often it is said.
    two?.();
    two?.();
    expect(places.take('one')).toBeUndefined();
    expect(places.take('four')).toBeDefined();
    expect(places.take('four')).toBeUndefined();
    one?.();
    other?.();
    expect([places.take('one'), places.take('one'), places.take('one')].map((place) => place !== undefined)).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('are more than half for one where they are odd, and there is one for whoever comes where there is one', () => {
    const three = new Places(3);
    expect([three.take('one'), three.take('one')]).not.toContain(undefined);
    expect(three.take('one')).toBeUndefined();
    const one = new Places(1);
    const place = one.take('one');
    expect(one.take('two')).toBeUndefined();
    place?.();
    expect(one.take('two')).toBeDefined();
  });

  it('may all be had where nobody is told apart', () => {
    const places = new Places(4);
    const all = Array.from({ length: 4 }, () => places.take(undefined));
    expect(all).not.toContain(undefined);
    expect(places.take(undefined)).toBeUndefined();
    expect(places.take('one')).toBeUndefined();
    all[0]?.();
    expect(places.take('one')).toBeDefined();
  });
});
