import type { ApplicationEntities } from '../application/ports.js';
import { type ApplicationEntity, type CallableEntity, isCallable } from '../domain/application-entity.js';

/** The nodes of CALLOSUM_DIMSE_AES. */
export class SettingsApplicationEntities implements ApplicationEntities {
  constructor(private readonly entities: readonly ApplicationEntity[]) {}

  named(aet: string): Promise<readonly ApplicationEntity[]> {
    return Promise.resolve(this.entities.filter((entity) => entity.aet === aet));
  }

  callable(aet: string): Promise<CallableEntity | undefined> {
    return Promise.resolve(
      this.entities.find((entity) => entity.aet === aet && isCallable(entity)) as CallableEntity | undefined,
    );
  }
}
