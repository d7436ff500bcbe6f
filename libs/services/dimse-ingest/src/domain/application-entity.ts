import type { Permission } from './permission.js';

/**
 * Another node of the DICOM network. It may call us from `host`; where it has a port it may be called, too: as the
 * destination of a C-MOVE, of forwarding and of event reports, and as the source of pulls.
 */
export interface ApplicationEntity {
  /** Title; upper and lower case differ (PS3.5 section 6.2). */
  readonly aet: string;
  /** An address, a network in CIDR notation, or a DNS name; it may call from nowhere else. */
  readonly host: string;
  readonly port?: number | undefined;
  /** For people. */
  readonly description?: string | undefined;
  /** TLS between it and us; plain both ways without. */
  readonly tls?: EntityTls | undefined;
  /** Associations of it at one replica at the same time. */
  readonly associationsMax?: number | undefined;
  /** Requests of it that one replica takes up in a second, over all its associations; the rest wait for their turn. */
  readonly requestsPerSecondMax?: number | undefined;
  /** What it may ask for; everything when absent. */
  readonly may?: readonly Permission[] | undefined;
  /** Transfer syntaxes its objects are taken in where it proposes several, the best first; the node's order when absent. */
  readonly transferSyntaxUids?: readonly string[] | undefined;
  /** Who may say to be its user (PS3.7 D.3.3.7). */
  readonly users?: readonly EntityUser[] | undefined;
  /** How we pull from it: by C-MOVE to ourselves, for which it must know us (the default), or by C-GET. */
  readonly retrieve?: 'move' | 'get' | undefined;
}

/** TLS between an AE and us. What is said of its certificate holds in both directions; all of it must fit. */
export interface EntityTls {
  /** Its associations come over TLS, or not at all. */
  readonly required: boolean;
  /** We call it over TLS. */
  readonly call: boolean;
  /** SHA-256 of its certificate, in hexadecimal digits with or without colons. */
  readonly fingerprint?: string | undefined;
  /** Attributes its certificate's subject has, as "CN=ct1,O=Hospital"; it may have others too. */
  readonly subject?: string | undefined;
  /** A DNS name its certificate is for (subjectAltName). */
  readonly dnsName?: string | undefined;
  /** The name its certificate is checked for when we call it; its host when absent. */
  readonly serverName?: string | undefined;
}

export interface EntityUser {
  readonly name: string;
  /** As `hashPasscode` makes it; a user without one is believed by name. */
  readonly passcodeHash?: string | undefined;
}

/** One that can be called: its host is no network. */
export interface CallableEntity extends ApplicationEntity {
  readonly port: number;
}

/** A network has no address to call. */
export const isCallable = (entity: ApplicationEntity): entity is CallableEntity =>
  entity.port !== undefined && !entity.host.includes('/');

/** Who lists users means them to be asked for. */
export const namesUsers = (entity: Pick<ApplicationEntity, 'users'> | undefined): boolean =>
  (entity?.users?.length ?? 0) > 0;
