import type { KnownEntities } from '../application/entity-ports.js';
import type { ApplicationEntities } from '../application/ports.js';
import { type ApplicationEntity, type CallableEntity, isCallable } from '../domain/application-entity.js';

/** Nodes that do not change. */
export class EntityList implements ApplicationEntities, KnownEntities {
  readonly #byTitle: ReadonlyMap<string, readonly ApplicationEntity[]>;

  constructor(entities: readonly ApplicationEntity[]) {
    this.#byTitle = Map.groupBy(entities, ({ aet }) => aet);
  }

  get isEmpty(): boolean {
    return this.#byTitle.size === 0;
  }

  named(aet: string): Promise<readonly ApplicationEntity[]> {
    return Promise.resolve(this.#byTitle.get(aet) ?? []);
  }

  callable(aet: string): Promise<CallableEntity | undefined> {
    return Promise.resolve(this.#byTitle.get(aet)?.find(isCallable));
  }
}
