import { EntityNotCallableError, UnknownEntityError } from '../domain/entity-errors.js';
import type { EchoOutcome, EchoPeer } from './entity-ports.js';
import type { ApplicationEntities } from './ports.js';

/** C-ECHO to an AE as we would call it for anything else: port, TLS, titles. */
export class EchoEntity {
  constructor(
    private readonly entities: ApplicationEntities,
    private readonly peer: EchoPeer,
  ) {}

  /** @throws {UnknownEntityError} @throws {EntityNotCallableError} */
  async execute(aet: string): Promise<EchoOutcome> {
    const known = await this.entities.named(aet);
    if (known.length === 0) throw new UnknownEntityError();
    const entity = await this.entities.callable(aet);
    if (!entity) throw new EntityNotCallableError();
    return this.peer.echo(entity);
  }
}
