import { type UserIdentity, UserIdentityType } from '@callosum/dimse';
import { CallosumError } from '@callosum/kernel';

import { type ApplicationEntity, namesUsers } from '../domain/application-entity.js';
import { isPasscode, nobodysHash } from '../domain/passcode.js';
import type { Permission } from '../domain/permission.js';
import type { TokenPermissions } from './entity-ports.js';
import { FairTurns } from './fair-turns.js';

/** `optional`: one that is sent must be good, and an AE whose entry names users calls with one. */
export type IdentityPolicy = 'ignored' | 'optional' | 'required';

/** None of them names the user. `user-unknown` is also a wrong passcode and a bad token. */
export type IdentityRefusal =
  'user-missing' | 'user-unknown' | 'user-kind-not-supported' | 'user-in-clear' | 'identity-provider-away';

export type IdentityVerdict =
  | { readonly why: IdentityRefusal }
  | {
      /** False when nobody was named, or nobody looked. */
      readonly accepted: boolean;
      /** What the user may; as much as the AE when absent. */
      readonly may?: readonly Permission[];
    };

const refused = (why: IdentityRefusal): IdentityVerdict => ({ why });

/** Who names a user, and how. */
export interface IdentityClaim {
  readonly callingAet: string;
  /** Absent where nobody is named. */
  readonly userIdentity?: UserIdentity | undefined;
  /** It came over TLS. */
  readonly secure: boolean;
  /** Nobody waits for the verdict any more: its reason is thrown while a turn is waited for. */
  readonly gone?: AbortSignal | undefined;
}

/**
 * User Identity Negotiation (PS3.7 D.3.3.7): a user name, a name and passcode, or a JSON web token. Names and passcodes
 * are those of the AE's entry; a user with a passcode is not believed by name alone. Kerberos tickets and SAML
 * assertions are refused, not passed over: whoever sends one means to be checked.
 */
export class CheckUserIdentity {
  /**
   * Checking is slow on purpose, and shares Node's few threads with the writing of objects: it gets one of them. An AE that
   * tries many passcodes waits behind itself.
   */
  readonly #turns = new FairTurns(1);

  /** @param inClear passcodes and tokens are taken without TLS, too */
  constructor(
    private readonly policy: IdentityPolicy,
    private readonly tokens: TokenPermissions,
    private readonly inClear: boolean,
  ) {}

  async execute(claim: IdentityClaim, entity: ApplicationEntity | undefined): Promise<IdentityVerdict> {
    const { userIdentity: identity, secure } = claim;
    if (this.policy === 'ignored') return { accepted: false };
    const isNeeded = this.policy === 'required' || namesUsers(entity);
    if (!identity) return isNeeded ? refused('user-missing') : { accepted: false };
    const { type } = identity;
    if (type === UserIdentityType.Username) return this.#named(identity, entity);
    const known = type === UserIdentityType.UsernameAndPasscode || type === UserIdentityType.Jwt;
    if (!known) return refused('user-kind-not-supported');
    if (!secure && !this.inClear) return refused('user-in-clear');
    return type === UserIdentityType.Jwt ? this.#bearer(identity) : this.#withPasscode(identity, entity, claim);
  }

  #named(identity: UserIdentity, entity: ApplicationEntity | undefined): IdentityVerdict {
    const user = userOf(identity, entity);
    return user && user.passcodeHash === undefined ? { accepted: true } : refused('user-unknown');
  }

  async #withPasscode(
    identity: UserIdentity,
    entity: ApplicationEntity | undefined,
    { callingAet, gone }: IdentityClaim,
  ): Promise<IdentityVerdict> {
    const hash = userOf(identity, entity)?.passcodeHash;
    const work = (): Promise<boolean> => isPasscode(textOf(identity.secondary), hash ?? nobodysHash);
    const good = await this.#turns.run(callingAet, work, gone);
    return good && hash !== undefined ? { accepted: true } : refused('user-unknown');
  }

  async #bearer({ primary }: UserIdentity): Promise<IdentityVerdict> {
    try {
      const may = await this.tokens.of(textOf(primary));
      return may.length > 0 ? { accepted: true, may } : refused('user-unknown');
    } catch (error) {
      if (!(error instanceof CallosumError) || error.kind === 'internal') throw error;
      return refused(error.kind === 'unavailable' ? 'identity-provider-away' : 'user-unknown');
    }
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

const userOf = ({ primary }: UserIdentity, entity: ApplicationEntity | undefined) => {
  const name = textOf(primary);
  return entity?.users?.find((user) => user.name === name);
};
