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
  /** How we pull from it: by C-MOVE to ourselves, for which it must know us (the default), or by C-GET. */
  readonly retrieve?: 'move' | 'get' | undefined;
}

/** One that can be called: its host is no network. */
export interface CallableEntity extends ApplicationEntity {
  readonly port: number;
}

/** A network has no address to call. */
export const isCallable = (entity: ApplicationEntity): entity is CallableEntity =>
  entity.port !== undefined && !entity.host.includes('/');
