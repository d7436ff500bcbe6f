import type { AssociationInfo } from '@callosum/dimse';

import type { ApplicationEntity } from '../domain/application-entity.js';
import { isCertificateOf, namesCertificate } from '../domain/peer-certificate.js';
import { both, type Permission } from '../domain/permission.js';
import { type CheckUserIdentity, type IdentityRefusal } from './check-user-identity.js';
import type { KnownEntities } from './entity-ports.js';
import type { Addresses } from './ports.js';

/** What an association request says about its sender. */
export type Caller = Pick<AssociationInfo, 'callingAet' | 'remoteAddress' | 'tls' | 'userIdentity'>;

export type PeerRefusal = 'unknown-aet' | 'wrong-address' | 'tls-required' | 'wrong-certificate';

export interface Admitted {
  readonly admitted: true;
  /** Which entry let it in; none where everybody may call. */
  readonly entity?: ApplicationEntity;
  /** What it may ask for; everything when absent. */
  readonly may?: readonly Permission[];
  /** The user it named was checked, and believed. */
  readonly identityAccepted: boolean;
}
/** Which entry lets a peer come as far as its user; none where everybody may call. */
export type Recognition = { readonly entity?: ApplicationEntity } | { readonly why: PeerRefusal };
export type Admission = Admitted | { readonly admitted: false; readonly why: IdentityRefusal };

/** From the least to the most a peer had right: of several entries the best one says why. */
const refusals: readonly PeerRefusal[] = ['unknown-aet', 'wrong-address', 'tls-required', 'wrong-certificate'];

/**
 * Decides whether a calling AE may open an association: its title is known, it calls from a host its entry gives, over
 * TLS with its certificate where the entry says so, and with a user who is believed where the node asks for one. Titles
 * are compared as they are: upper and lower case differ (PS3.5 6.2). A title proves nothing by itself: anyone can send any.
 */
export class AdmitPeer {
  /** @param identities users are not looked at when absent */
  constructor(
    private readonly entities: KnownEntities,
    private readonly addresses: Addresses,
    private readonly identities?: CheckUserIdentity,
  ) {}

  /** Who calls, by what costs us nothing to look at. */
  async recognize(caller: Caller): Promise<Recognition> {
    const entity = await this.#entityOf(caller);
    if (typeof entity === 'string') return { why: entity };
    return entity ? { entity } : {};
  }

  /**
   * Whether its user is believed. That may take a while: who asks has given the AE one of its places first.
   * @param gone the peer is not there any more: its reason is thrown
   */
  async believe(caller: Caller, entity: ApplicationEntity | undefined, gone?: AbortSignal): Promise<Admission> {
    const { callingAet, userIdentity, tls } = caller;
    const source = { callingAet, secure: tls !== undefined, ...(gone ? { gone } : {}) };
    const verdict = await this.identities?.execute(userIdentity, entity, source);
    if (verdict && 'why' in verdict) return { admitted: false, why: verdict.why };
    const may = both(entity?.may, verdict?.may);
    return {
      admitted: true,
      identityAccepted: verdict?.accepted === true,
      ...(entity ? { entity } : {}),
      ...(may ? { may } : {}),
    };
  }

  /** Whether an association that was let in would be now, with the same rights. Its user is not asked for again. */
  async stillAdmits(caller: Caller, { entity: then }: Admitted): Promise<boolean> {
    const now = await this.#entityOf(caller);
    return typeof now !== 'string' && rightsOf(now) === rightsOf(then);
  }

  async #entityOf(caller: Caller): Promise<ApplicationEntity | PeerRefusal | undefined> {
    if (this.entities.isEmpty) return undefined;
    let best = 0;
    for (const entity of await this.entities.named(caller.callingAet)) {
      const refusal = await this.#refusalOf(caller, entity);
      if (!refusal) return entity;
      best = Math.max(best, refusals.indexOf(refusal));
    }
    return refusals[best];
  }

  async #refusalOf({ remoteAddress, tls }: Caller, entity: ApplicationEntity): Promise<PeerRefusal | undefined> {
    if (!(await this.addresses.isAt(entity.host, remoteAddress))) return 'wrong-address';
    if (!entity.tls) return undefined;
    if (!tls) return entity.tls.required ? 'tls-required' : undefined;
    if (!namesCertificate(entity.tls)) return undefined;
    const certificate = tls.authorized ? tls.peerCertificate : undefined;
    return certificate && isCertificateOf(certificate, entity.tls) ? undefined : 'wrong-certificate';
  }
}

const rightsOf = (entity: ApplicationEntity | undefined): string =>
  JSON.stringify([entity?.may ?? 'everything', entity?.users ?? 'nobody']);
