import { describe, expect, it } from 'vitest';

import { Silence } from './silence.js';

const leaseMs = 1_000;

describe('the silence of a stream', () => {
  it('begins with a lost lease and ends with a word', () => {
    const silence = new Silence(leaseMs);
    silence.lostLease(5_000);
    expect(silence.isUnbroken).toBe(true);
    silence.heard();
    expect(silence.isUnbroken).toBe(false);
  });

  it('is no silence without a lost lease, however long nothing was said', () => {
    const silence = new Silence(leaseMs);
    expect(silence.isUnbroken).toBe(false);
    expect(silence.isTooMuch(1e9)).toBe(false);
  });

  it('is too much two leases after the one that was lost', () => {
    const silence = new Silence(leaseMs);
    silence.lostLease(5_000);
    expect(silence.isTooMuch(6_999)).toBe(false);
    expect(silence.isTooMuch(7_000)).toBe(true);
  });

  it('is too much when a second lease is lost, unless a job was ended between', () => {
    const silence = new Silence(leaseMs);
    silence.lostLease(0);
    silence.heard();
    silence.worked();
    silence.lostLease(10);
    silence.heard();
    expect(silence.isTooMuch(10)).toBe(false);
    silence.lostLease(20);
    expect(silence.isTooMuch(20)).toBe(true);
  });

  it('counts every job that is lost in it once', () => {
    const silence = new Silence(leaseMs);
    for (let slot = 0; slot < 8; slot++) silence.lostLease(0);
    silence.heard();
    expect(silence.isTooMuch(0)).toBe(false);
  });
});
