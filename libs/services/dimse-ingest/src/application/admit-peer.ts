import type { Addresses } from './ports.js';

/** An AE that may open associations here. */
export interface AllowedPeer {
  readonly aet: string;
  /** An address, a network in CIDR notation, or a DNS name; it may call from nowhere else. */
  readonly host: string;
}

export type Admission = 'admitted' | 'unknown-aet' | 'wrong-address';

/**
 * Decides whether a calling AE may open an association: its title is on the list, and it calls from a host the list
 * gives for that title. Titles are compared as they are: upper and lower case differ (PS3.5 6.2). A title proves
 * nothing by itself: anyone can send any.
 */
export class AdmitPeer {
  /** @param peers empty: every AE may call, which only loopback allows */
  constructor(
    private readonly peers: readonly AllowedPeer[],
    private readonly addresses: Addresses,
  ) {}

  async execute(callingAet: string, remoteAddress: string): Promise<Admission> {
    if (this.peers.length === 0) return 'admitted';
    const named = this.peers.filter(({ aet }) => aet === callingAet);
    if (named.length === 0) return 'unknown-aet';
    for (const { host } of named) if (await this.addresses.isAt(host, remoteAddress)) return 'admitted';
    return 'wrong-address';
  }
}
