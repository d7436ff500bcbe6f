import { describe, expect, it } from 'vitest';

import { sourceOf } from './sender.js';

const address = '192.0.2.7';
const of = (sender: Partial<Parameters<typeof sourceOf>[0]>): string =>
  sourceOf({ principal: undefined, named: undefined, address, ...sender });

describe('the source of a STOW-RS request', () => {
  it('is who authenticated, else the name in the URL, else the address', () => {
    expect(of({ principal: 'client-1', named: 'app' })).toBe('principal:client-1');
    expect(of({ named: 'app-1.site_2' })).toBe('http:app-1.site_2');
    expect(of({})).toBe('address:192.0.2.7');
    // The same peer over a socket that speaks both protocols.
    expect(of({ address: '::ffff:192.0.2.7' })).toBe('address:192.0.2.7');
  });

  it('never reads like another kind of source', () => {
    for (const named of ['', 'address:10.0.0.1', 'a b', 'a/b', 'x'.repeat(65), 'ä']) {
      expect(() => of({ named }), named).toThrow('not valid');
      // Who is authenticated gets no further with it.
      expect(() => of({ named, principal: 'p' })).toThrow('not valid');
    }
  });

  it('fits a blob key, however long the principal, and stays distinct', () => {
    const [one, two] = [of({ principal: `${'ü'.repeat(200)}1` }), of({ principal: `${'ü'.repeat(200)}2` })];
    expect(one).not.toBe(two);
    for (const source of [one, two, of({ principal: 'p'.repeat(64) }), of({ named: 'n'.repeat(64) })])
      expect(Buffer.byteLength(source)).toBeLessThanOrEqual(96);
  });
});
