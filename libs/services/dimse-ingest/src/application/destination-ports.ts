import type { KeptAssociation, ProposedContext } from '@callosum/dimse';

import type { CallableEntity } from '../domain/application-entity.js';

/** Nodes we send to. */
export interface Destinations {
  /** Runs `work` with an association that is kept afterwards for whoever sends to that node next. */
  with<T>(
    entity: CallableEntity,
    work: (peer: Pick<KeptAssociation, 'expect' | 'store' | 'abort' | 'close'>) => Promise<T>,
  ): Promise<T>;
  /**
   * An association for one piece of work, which closes it: its end tells the node that all has come. It is opened for the
   * first object, and anew when it ended, always with these contexts.
   */
  open(
    entity: CallableEntity,
    contexts: readonly ProposedContext[],
  ): Pick<KeptAssociation, 'store' | 'isOpen' | 'close'>;
  /** Releases what is kept, and the rest as soon as it is idle. */
  close(): Promise<void>;
}
