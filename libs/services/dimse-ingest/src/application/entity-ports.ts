import type { ApplicationEntity, CallableEntity } from '../domain/application-entity.js';
import type { Permission } from '../domain/permission.js';
import type { ApplicationEntities } from './ports.js';

/** The nodes we know, and whether there are any. */
export interface KnownEntities extends Pick<ApplicationEntities, 'named'> {
  /** No setting and no table names any: then every AE may call, which only loopback allows. */
  readonly isEmpty: boolean;
}

/** An AE that people keep by the API. */
export interface StoredEntity {
  readonly entity: ApplicationEntity;
  /** Grows with each change of any AE. */
  readonly revision: number;
  readonly changedAt: Date;
  readonly changedBy: string;
}

export interface EntityTable {
  /** By title. An entry this version cannot read is left out, and told. */
  all(): Promise<readonly StoredEntity[]>;
  find(aet: string): Promise<StoredEntity | undefined>;
  /** Of the newest change of any AE. */
  revision(): Promise<number>;
  /**
   * One change after the other: `work` gets what is known of the title and how many AEs there are, and gives what is to
   * be known from now on, nothing to remove it. What it throws leaves everything as it was.
   */
  change(
    aet: string,
    changedBy: string,
    work: (known: StoredEntity | undefined, count: number) => ApplicationEntity | undefined,
  ): Promise<StoredEntity | undefined>;
}

/** What each replica holds of the nodes in memory. */
export interface EntityDirectory extends KnownEntities {
  /** Takes over what was changed since. */
  refresh(): Promise<void>;
  /** Calls `told` after each change that was taken over. */
  onChanged(told: () => void): void;
}

/** What became of a C-ECHO. */
export interface EchoOutcome {
  readonly ok: boolean;
  readonly seconds: number;
  /** Of the response, four hexadecimal digits. */
  readonly status?: string;
  /** Where there was none: a stable code, and what it means. */
  readonly code?: string;
  readonly detail?: string;
}

export interface EchoPeer {
  echo(entity: CallableEntity): Promise<EchoOutcome>;
}

/** Tokens of the identity provider (JWT). */
export interface TokenPermissions {
  /**
   * What the bearer of this token may.
   * @throws {CallosumError} of kind `forbidden`, or `unavailable` where it cannot be told now
   */
  of(token: string): Promise<readonly Permission[]>;
}
