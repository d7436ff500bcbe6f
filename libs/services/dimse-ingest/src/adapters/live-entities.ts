import type { EntityDirectory, EntityTable } from '../application/entity-ports.js';
import type { ApplicationEntities } from '../application/ports.js';
import type { ApplicationEntity, CallableEntity } from '../domain/application-entity.js';
import { EntityList } from './entity-list.js';

/**
 * The nodes of the setting and, beside them, those of the table as they were when it was last looked at. In memory: an
 * association is not kept waiting for the database, and while that is away modalities are still known.
 */
export class LiveEntities implements ApplicationEntities, EntityDirectory {
  #revision = -1;
  #list: EntityList;
  #refreshing: Promise<void> | undefined;
  readonly #told: (() => void)[] = [];

  constructor(
    private readonly fixed: readonly ApplicationEntity[],
    private readonly table: Pick<EntityTable, 'all' | 'revision'>,
  ) {
    this.#list = new EntityList(fixed);
  }

  get isEmpty(): boolean {
    return this.#list.isEmpty;
  }

  named(aet: string): Promise<readonly ApplicationEntity[]> {
    return this.#list.named(aet);
  }

  callable(aet: string): Promise<CallableEntity | undefined> {
    return this.#list.callable(aet);
  }

  onChanged(told: () => void): void {
    this.#told.push(told);
  }

  /** One after the other: a look that began before a change may not have seen it. */
  async refresh(): Promise<void> {
    await this.#refreshing?.catch(() => undefined);
    this.#refreshing = this.#look();
    await this.#refreshing;
  }

  async #look(): Promise<void> {
    // Before the rows: what is changed in between is looked at once more.
    const revision = await this.table.revision();
    if (revision === this.#revision) return;
    const titles = new Set(this.fixed.map(({ aet }) => aet));
    const stored = (await this.table.all()).map(({ entity }) => entity).filter(({ aet }) => !titles.has(aet));
    this.#list = new EntityList([...this.fixed, ...stored]);
    this.#revision = revision;
    for (const tell of this.#told) tell();
  }
}
