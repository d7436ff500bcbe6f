import { setImmediate as turn } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { isHost, NetworkAddresses } from './network-addresses.js';

describe('where a peer is', () => {
  it.each([
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.3', '::ffff:10.1.2.3', true],
    ['10.1.2.3', '10.1.2.30', false],
    ['10.1.0.0/16', '10.1.255.1', true],
    ['10.1.0.0/16', '::ffff:10.1.0.9', true],
    ['10.1.0.0/16', '10.2.0.1', false],
    ['0.0.0.0/0', '192.0.2.1', true],
    ['2001:db8::/32', '2001:db8:1::5', true],
    ['2001:db8::/32', '2001:db9::5', false],
    ['fe80::1', 'fe80::1%eth0', true],
    ['10.0.0.0/8', '', false],
    ['10.0.0.0/8', '::1', false],
  ])('%s holds %s: %s', async (host, address, is) => {
    expect(await new NetworkAddresses().isAt(host, address)).toBe(is);
  });

  it('by name is asked of the resolver once in a while, and remembered while that is away', async () => {
    let now = 0;
    let answer: readonly string[] | undefined = ['10.1.2.3', '2001:db8::1'];
    let asked = 0;
    const addresses = new NetworkAddresses({ now: () => new Date(now) }, () => {
      asked++;
      return answer ? Promise.resolve(answer) : Promise.reject(new Error('EAI_AGAIN'));
    });
    const isAt = (address: string) => addresses.isAt('ct1.radiology.example', address);
    expect([await isAt('10.1.2.3'), await isAt('2001:db8::1'), await isAt('10.9.9.9')]).toEqual([true, true, false]);
    expect(asked).toBe(1);
    now += 31_000;
    answer = undefined;
    expect(await isAt('10.1.2.3')).toBe(true);
    await turn();
    now += 31_000;
    answer = ['10.1.2.4'];
    expect([await isAt('10.1.2.4'), await isAt('10.1.2.3')]).toEqual([true, false]);
    expect(asked).toBe(3);
  });

  it('by name is known from before while the resolver is slow, for some minutes, and else waited for', async () => {
    let now = 0;
    const answers: ((addresses: readonly string[]) => void)[] = [];
    const addresses = new NetworkAddresses(
      { now: () => new Date(now) },
      () => new Promise((resolve) => answers.push(resolve)),
    );
    const isAt = (address: string) => addresses.isAt('ct1.radiology.example', address);
    const first = isAt('10.1.2.3');
    answers.shift()?.(['10.1.2.3']);
    expect(await first).toBe(true);
    now += 31_000;
    // The resolver has not answered.
    expect(await isAt('10.1.2.3')).toBe(true);
    const moved = isAt('10.1.2.4');
    answers.shift()?.(['10.1.2.4']);
    expect(await moved).toBe(true);
    expect(await isAt('10.1.2.3')).toBe(false);
    now += 400_000;
    const late = isAt('10.1.2.4');
    answers.shift()?.(['10.1.2.5']);
    expect(await late).toBe(false);
    expect(answers).toEqual([]);
  });

  it('by name is asked once by a burst of associations', async () => {
    let asked = 0;
    const addresses = new NetworkAddresses({ now: () => new Date(0) }, () => {
      asked++;
      return new Promise((resolve) => setTimeout(() => resolve(['10.1.2.3']), 5));
    });
    const burst = Array.from({ length: 50 }, () => addresses.isAt('ct1.radiology.example', '10.1.2.3'));
    expect(await Promise.all(burst)).toEqual(Array(50).fill(true));
    expect(asked).toBe(1);
  });

  it.each([
    ['10.1.2.3', true],
    ['10.0.0.0/8', true],
    ['2001:db8::/32', true],
    ['ct1.radiology.example', true],
    ['CT-1', true],
    ['10.1.2.300', false],
    ['10.0.0.0/33', false],
    ['10.0.0.0/', false],
    ['10.0.0.0/8/8', false],
    ['-ct1', false],
    ['ct 1', false],
    ['', false],
    ['*', false],
  ])('can be written as %j: %s', (host, may) => expect(isHost(host)).toBe(may));
});
