import { type ApplicationEntity, type EntityUser, namesUsers } from '../domain/application-entity.js';
import {
  EntityExistsError,
  FixedEntityError,
  NoPasscodeError,
  StaleEntityError,
  TooManyEntitiesError,
  UnknownEntityError,
  UsersIgnoredError,
} from '../domain/entity-errors.js';
import { hashPasscode } from '../domain/passcode.js';
import type { EntityDirectory, EntityTable, StoredEntity } from './entity-ports.js';

/** All of it is in memory at each replica, and a hospital has hundreds. */
const entitiesMax = 1_000;

/** What the caller believes is there: a revision, something, or nothing. */
export type Expected = number | 'present' | 'absent' | undefined;

/** A user as people say it: with a passcode, its hash, or the one that is kept (`passcodeSet`); or by name alone. */
export interface UserRequest extends EntityUser {
  readonly passcode?: string | undefined;
  readonly passcodeSet?: boolean | undefined;
}

export type EntityRequest = Omit<ApplicationEntity, 'users'> & { readonly users?: readonly UserRequest[] | undefined };

/** The AEs of the setting, which are there always, and those of the table beside them, which people keep. */
export class ManageEntities {
  /**
   * @param fixed those of the setting; one title may stand there several times, for several hosts
   * @param usersIgnored nobody is asked for a user, so none is taken
   */
  constructor(
    private readonly fixed: readonly ApplicationEntity[],
    private readonly table: EntityTable,
    private readonly directory: EntityDirectory,
    private readonly usersIgnored: boolean,
  ) {}

  async all(): Promise<{ readonly fixed: readonly ApplicationEntity[]; readonly stored: readonly StoredEntity[] }> {
    const stored = await this.table.all();
    return { fixed: this.fixed, stored: stored.filter(({ entity }) => !this.#isFixed(entity.aet)) };
  }

  /** @throws {UnknownEntityError} */
  async one(aet: string): Promise<{ readonly fixed: readonly ApplicationEntity[]; readonly stored?: StoredEntity }> {
    const fixed = this.fixed.filter((entity) => entity.aet === aet);
    if (fixed.length > 0) return { fixed };
    const stored = await this.table.find(aet);
    if (!stored) throw new UnknownEntityError();
    return { fixed, stored };
  }

  /**
   * @throws {FixedEntityError} @throws {EntityExistsError} @throws {TooManyEntitiesError}
   * @throws {UsersIgnoredError}
   */
  create(request: EntityRequest, by: string): Promise<StoredEntity> {
    return this.#put(request, by, (known) => {
      if (known) throw new EntityExistsError();
    });
  }

  /**
   * Takes the place of what is there, or is new.
   * @throws {StaleEntityError} another one is there than the caller believes @throws {TooManyEntitiesError}
   * @throws {UsersIgnoredError}
   */
  replace(request: EntityRequest, by: string, expected?: Expected): Promise<StoredEntity> {
    return this.#put(request, by, (known) => assertExpected(known, expected));
  }

  /** @throws {UnknownEntityError} @throws {FixedEntityError} @throws {StaleEntityError} */
  async remove(aet: string, by: string, expected?: Expected): Promise<void> {
    if (this.#isFixed(aet)) throw new FixedEntityError();
    await this.table.change(aet, by, (known) => {
      if (!known) throw new UnknownEntityError();
      assertExpected(known, expected);
      return undefined;
    });
    await this.directory.refresh();
  }

  async #put(
    { users, ...entity }: EntityRequest,
    by: string,
    check: (known: StoredEntity | undefined) => void,
  ): Promise<StoredEntity> {
    if (this.#isFixed(entity.aet)) throw new FixedEntityError();
    if (this.usersIgnored && namesUsers({ users })) throw new UsersIgnoredError();
    // Outside of the transaction: it takes a while, on purpose.
    const hashed = users && (await Promise.all(users.map(hashedUser)));
    const stored = await this.table.change(entity.aet, by, (known, count) => {
      check(known);
      if (!known && count >= entitiesMax) throw new TooManyEntitiesError(entitiesMax);
      return { ...entity, ...(hashed ? { users: hashed.map((user) => withKept(user, known)) } : {}) };
    });
    await this.directory.refresh();
    if (!stored) throw new UnknownEntityError();
    return stored;
  }

  #isFixed(aet: string): boolean {
    return this.fixed.some((entity) => entity.aet === aet);
  }
}

function assertExpected(known: StoredEntity | undefined, expected: Expected): void {
  if (expected === undefined) return;
  const fits =
    typeof expected === 'number' ? known?.revision === expected : (known !== undefined) === (expected === 'present');
  if (!fits) throw new StaleEntityError();
}

interface HashedUser extends EntityUser {
  readonly kept: boolean;
}

async function hashedUser({ name, passcode, passcodeHash, passcodeSet }: UserRequest): Promise<HashedUser> {
  if (passcode !== undefined) return { name, passcodeHash: await hashPasscode(passcode), kept: false };
  if (passcodeHash !== undefined) return { name, passcodeHash, kept: false };
  return { name, kept: passcodeSet === true };
}

/** @throws {NoPasscodeError} */
function withKept({ kept, ...user }: HashedUser, known: StoredEntity | undefined): EntityUser {
  if (!kept) return user;
  const before = known?.entity.users?.find(({ name }) => name === user.name);
  if (before?.passcodeHash === undefined) throw new NoPasscodeError();
  return before;
}
