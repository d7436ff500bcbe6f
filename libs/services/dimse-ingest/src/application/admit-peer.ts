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
export type PlaceRefusal = 'associations-max' | 'ae-associations-max';
/** A place among the associations that are open or being decided. */
export interface Place {
  readonly leave: () => void;
}
export type Admission =
  | (Admitted & { readonly place: Place })
  | { readonly admitted: false; readonly why: PeerRefusal | PlaceRefusal | IdentityRefusal };

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

  /**
   * @param enter takes a place for it, which it has from before its user is looked at: that takes time, and an AE has no more
   * associations waiting for it than it may have open. Who is not admitted has left it.
   * @param gone the caller does not wait any more: its reason is thrown
   */
  async execute(
    caller: Caller,
    enter: (entity: ApplicationEntity | undefined) => Place | PlaceRefusal,
    gone?: AbortSignal,
  ): Promise<Admission> {
    const entity = await this.#entityOf(caller);
    if (typeof entity === 'string') return { admitted: false, why: entity };
    gone?.throwIfAborted();
    const place = enter(entity);
    if (typeof place === 'string') return { admitted: false, why: place };
    const verdict = await this.#identify(caller, entity, gone).catch((error: unknown) => {
      place.leave();
      throw error;
    });
    if (verdict && 'why' in verdict) {
      place.leave();
      return { admitted: false, why: verdict.why };
    }
    const may = both(entity?.may, verdict?.may);
    return {
      admitted: true,
      place,
      identityAccepted: verdict?.accepted === true,
      ...(entity ? { entity } : {}),
      ...(may ? { may } : {}),
    };
  }

  async #identify(
    { callingAet, userIdentity, tls }: Caller,
    entity: ApplicationEntity | undefined,
    gone: AbortSignal | undefined,
  ) {
    return this.identities?.execute({ callingAet, userIdentity, secure: tls !== undefined, gone }, entity);
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
