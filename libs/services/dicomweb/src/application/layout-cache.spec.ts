import { describe, expect, it } from 'vitest';

import { greyBytes } from '../test-support/kept.js';
import { type EncapsulatedLayout, LayoutCache, type NativeLayout } from './layout-cache.js';

const native: NativeLayout = { encapsulated: false, image: greyBytes(1, 1), offset: 7, byteCount: 1, wordBytes: 1 };
const framesOf = (...numbers: number[]): EncapsulatedLayout => ({
  encapsulated: true,
  frames: new Map(numbers.map((number) => [number, [{ offset: number, length: 1 }]])),
  isWhole: false,
});

describe('what is known of the pixels of blobs', () => {
  it('grows: frames asked for later, and what the header says', () => {
    const cache = new LayoutCache(1024 * 1024);
    cache.learn('a', { layout: framesOf(1, 2) });
    cache.learn('a', { layout: framesOf(2, 9) });
    const element = { image: native.image, tag: '7FE00010', vr: 'OW', isNative: true };
    cache.learn('a', { element });
    expect(cache.get('a')).toEqual({ layout: framesOf(1, 2, 9), element });
    expect(cache.get('b')).toBeUndefined();
  });

  it('is not lessened by a part of it', () => {
    const cache = new LayoutCache(1024 * 1024);
    const whole = { ...framesOf(1, 2, 3), isWhole: true };
    cache.learn('a', { layout: whole });
    expect(cache.learn('a', { layout: framesOf(1) }).layout).toEqual(whole);
    expect(cache.get('a')?.layout).toEqual(whole);
  });

  it('is bounded: what was not used for longest goes first', () => {
    const room = 8;
    const cache = new LayoutCache(room * 1_024);
    const keys = Array.from({ length: room }, (_, i) => `blob ${String(i)}`);
    for (const key of keys) cache.learn(key, { layout: native });
    expect(cache.get('blob 0')).toEqual({ layout: native });
    cache.learn('another', { layout: native });
    expect(cache.get('blob 1')).toBeUndefined();
    for (const key of ['blob 0', 'another', ...keys.slice(2)]) expect(cache.get(key), key).toBeDefined();
  });

  it('is given and not kept where one object would take the room of many', () => {
    const cache = new LayoutCache(8 * 1_024);
    cache.learn('small', { layout: native });
    const large = { ...framesOf(...Array.from({ length: 100 }, (_, i) => i + 1)), isWhole: true };
    expect(cache.learn('large', { layout: large })).toEqual({ layout: large });
    expect(cache.get('large')).toEqual({});
    expect(cache.get('small')).toBeDefined();
  });

  it('of one object with very many frames is those that came last, and what its header says', () => {
    const cache = new LayoutCache(64 * 1_024);
    const element = { image: native.image, tag: '7FE00010', vr: 'OW', isNative: true };
    cache.learn('slide', { element });
    cache.learn('small', { layout: native });
    const known = (): readonly number[] => {
      const { layout } = cache.get('slide') ?? {};
      return layout?.encapsulated === true ? [...layout.frames.keys()] : [];
    };
    for (let number = 1; number <= 1_000; number++) {
      const { layout } = cache.learn('slide', { layout: framesOf(number) });
      expect(layout?.encapsulated === true && layout.frames.has(number)).toBe(true);
    }
    expect(known().at(-1)).toBe(1_000);
    // A fourth of the room, at 192 bytes a frame of one fragment.
    expect(known()).toHaveLength((16 * 1_024 - 1_024) / 192);
    expect(cache.get('slide')?.element).toEqual(element);
    expect(cache.get('small')).toBeDefined();
    // More at once than it keeps are given all the same.
    const many = framesOf(...Array.from({ length: 200 }, (_, i) => i + 2_000));
    expect(cache.learn('slide', { layout: many }).layout).toEqual(many);
    expect(known()).toHaveLength(80);
  });

  it('is added to in place: a frame of a slide that is known by the ten thousands costs what one of a few does', () => {
    const cache = new LayoutCache(64 * 1024 * 1024);
    cache.learn('slide', { layout: framesOf(...Array.from({ length: 50_000 }, (_, i) => i + 1)) });
    const begun = performance.now();
    for (let number = 0; number < 1_000; number++) cache.learn('slide', { layout: framesOf(60_000 + number) });
    // Copied each time they took some ten seconds.
    expect(performance.now() - begun).toBeLessThan(1_000);
    const { layout } = cache.get('slide') ?? {};
    expect(layout?.encapsulated === true && layout.frames.size).toBe(51_000);
  });
});
