import { lookup } from 'node:dns/promises';
import { BlockList, isIP, isIPv6 } from 'node:net';

import { type Clock, systemClock } from '@callosum/kernel';

import type { Addresses } from '../application/ports.js';

/** A modality that got a new lease is known again within this time; a burst of associations asks DNS once. */
const keepMs = 30_000;
/** An answer that is older than this by more is no answer while the resolver is asked. */
const staleMs = 300_000;

/** Hosts as a site writes them: an address, a network in CIDR notation, or a DNS name by the system's resolver. */
export class NetworkAddresses implements Addresses {
  readonly #known = new Map<string, { readonly addresses: readonly string[]; readonly until: number }>();
  /** Questions under way: a burst of associations asks once. */
  readonly #asked = new Map<string, Promise<readonly string[]>>();

  constructor(
    private readonly clock: Clock = systemClock,
    private readonly resolve: (name: string) => Promise<readonly string[]> = bySystem,
  ) {}

  async isAt(host: string, remoteAddress: string): Promise<boolean> {
    const asked = plain(remoteAddress);
    const network = networkOf(host);
    if (!network) return this.#isNamed(host, asked);
    const list = new BlockList();
    list.addSubnet(network.address, network.prefixLength, network.family);
    return isIP(asked) !== 0 && list.check(asked, isIPv6(asked) ? 'ipv6' : 'ipv4');
  }

  async #isNamed(name: string, address: string): Promise<boolean> {
    const now = this.clock.now().getTime();
    const known = this.#known.get(name);
    const isKnown = known?.addresses.some((one) => plain(one) === address) ?? false;
    if (known && now < known.until) return isKnown;
    const asked = this.#asked.get(name) ?? this.#ask(name, now).finally(() => this.#asked.delete(name));
    this.#asked.set(name, asked);
    // A resolver that is slow keeps no modality waiting that was there a moment ago; one with a new address waits for it.
    if (known && isKnown && now < known.until + staleMs) return true;
    return (await asked).some((one) => plain(one) === address);
  }

  async #ask(name: string, now: number): Promise<readonly string[]> {
    const found = await this.resolve(name).catch(() => undefined);
    // A resolver that is away must not lock out a modality that was there a moment ago.
    const addresses = found ?? this.#known.get(name)?.addresses ?? [];
    this.#known.set(name, { addresses, until: now + keepMs });
    return addresses;
  }
}

const bySystem = async (name: string): Promise<readonly string[]> =>
  (await lookup(name, { all: true })).map(({ address }) => address);

/** IPv4 over an IPv6 socket (RFC 4291 section 2.5.5.2) is the IPv4 address; a zone says which interface, not who. */
const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '').replace(/%.*$/, '');

function networkOf(
  host: string,
): { readonly address: string; readonly prefixLength: number; readonly family: 'ipv4' | 'ipv6' } | undefined {
  const [address = '', length, ...rest] = host.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return undefined;
  const bits = family === 4 ? 32 : 128;
  if (length !== undefined && (!/^\d{1,3}$/.test(length) || Number(length) > bits)) return undefined;
  const prefixLength = length === undefined ? bits : Number(length);
  return { address, prefixLength, family: family === 4 ? 'ipv4' : 'ipv6' };
}

/** RFC 1123 section 2.1; what consists of digits and dots alone is a mistyped address. */
const dnsName = /^(?![\d.]+$)(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

/** True for what `isAt` understands. */
export const isHost = (host: string): boolean => networkOf(host) !== undefined || dnsName.test(host);
