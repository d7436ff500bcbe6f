import type { KeptAssociation, ProposedContext } from '@callosum/dimse';

import type { CallableEntity } from '../domain/application-entity.js';

/** Nodes we send to. */
export interface Destinations {
  /** Runs `work` with an association that is opened for its first object, and released at its end. */
  with<T>(
    entity: CallableEntity,
    work: (peer: Pick<KeptAssociation, 'expect' | 'store' | 'abort'>) => Promise<T>,
  ): Promise<T>;
  /**
   * An association for one piece of work, which closes it: its end tells the node that all has come. It is opened for the
   * first object, and anew when it ended, always with these contexts.
   */
  open(
    entity: CallableEntity,
    contexts: readonly ProposedContext[],
  ): Pick<KeptAssociation, 'store' | 'isOpen' | 'close'>;
}
