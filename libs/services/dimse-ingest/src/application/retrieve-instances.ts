import { setTimeout as sleep } from 'node:timers/promises';

import {
  AssociationAbortedError,
  type MoveOriginator,
  type SubOperationCounts,
  type SubOperationSender,
} from '@callosum/dimse';

import type { CallableEntity } from '../domain/application-entity.js';
import { associationLoads } from '../domain/proposed-contexts.js';
import { TooManyRetrievesError } from '../domain/query-errors.js';
import type { RetrieveIdentifier } from '../domain/query-model.js';
import { SubOperations } from '../domain/sub-operations.js';
import { locateSelection } from './locate-selection.js';
import type { DestinationAssociation, Destinations, LocatedInstance, QueryIndex } from './query-ports.js';
import type { SendInstance } from './send-instance.js';
import type { Turns } from './turns.js';

/** Whoever waits hears of it twice a second. */
const progressMs = 500;
/** A destination that aborts so often, with nothing stored between, takes nothing of the rest either. */
const abortsMax = 3;

type Progress = AsyncGenerator<SubOperationCounts, SubOperations>;

/**
 * C-MOVE and C-GET: finds what is asked for and sends it, object by object. Progress is yielded while that goes on,
 * whatever a single object takes; what is returned is how it ended.
 */
export class RetrieveInstances {
  constructor(
    private readonly index: QueryIndex,
    private readonly destinations: Destinations,
    private readonly sendInstance: SendInstance,
    /** Retrieves at the same time. */
    private readonly retrieves: Turns,
  ) {}

  /**
   * C-GET: over the association that asks. Ends when `signal` says so, with what is left as remaining.
   * @throws {TooManyRetrievesError} @throws {IndexUnavailableError} @throws {IdentifierError}
   */
  get(selection: RetrieveIdentifier, sender: SubOperationSender, signal: AbortSignal): Progress {
    return this.#retrieve(selection, signal, (instances, operations) =>
      this.#sendAll(instances, sender, operations, signal),
    );
  }

  /** C-MOVE: over associations with the destination. Otherwise as `get`. */
  move(
    selection: RetrieveIdentifier,
    destination: CallableEntity,
    originator: MoveOriginator,
    signal: AbortSignal,
  ): Progress {
    return this.#retrieve(selection, signal, async (instances, operations) => {
      for (const { contexts, objects } of associationLoads(instances)) {
        const open = (): Promise<DestinationAssociation> => this.destinations.open(destination, contexts, originator);
        await new Delivery(this.sendInstance, open, operations, signal).run(objects);
      }
    });
  }

  async *#retrieve(
    selection: RetrieveIdentifier,
    signal: AbortSignal,
    send: (instances: readonly LocatedInstance[], operations: SubOperations) => Promise<void>,
  ): Progress {
    const giveBack = this.retrieves.takeNow();
    if (!giveBack) throw new TooManyRetrievesError();
    try {
      const instances = await locateSelection(this.index, selection, signal);
      const operations = new SubOperations(instances.length);
      const work = send(instances, operations);
      // It is waited for below; until then its failure is nobody's surprise.
      work.catch(() => undefined);
      const done = work.then(() => true);
      do yield operations.counts;
      while (!(await within(done, progressMs)));
      return operations;
    } finally {
      giveBack();
    }
  }

  async #sendAll(
    instances: readonly LocatedInstance[],
    sender: SubOperationSender,
    operations: SubOperations,
    signal: AbortSignal,
  ): Promise<void> {
    for (const instance of instances) {
      if (signal.aborted) return;
      try {
        operations.answered(instance.sopInstanceUid, await this.sendInstance.execute(instance, sender, signal));
      } catch (error) {
        if (signal.aborted) return;
        operations.failed(instance.sopInstanceUid, error);
      }
    }
  }
}

/** What goes over one association, or over others in its place when it breaks. */
class Delivery {
  #association: DestinationAssociation | undefined;
  #aborts = 0;
  /** Why nothing more can be sent. */
  #away: unknown;

  constructor(
    private readonly sendInstance: SendInstance,
    private readonly open: () => Promise<DestinationAssociation>,
    private readonly operations: SubOperations,
    private readonly signal: AbortSignal,
  ) {}

  async run(instances: readonly LocatedInstance[]): Promise<void> {
    for (const instance of instances) {
      if (this.signal.aborted) break;
      await this.#deliver(instance);
    }
    await this.#association?.release();
  }

  async #deliver(instance: LocatedInstance): Promise<void> {
    const { sopInstanceUid } = instance;
    try {
      // An association may have been ended while nothing was sent on it: an object gets a second one.
      const answer = await this.#send(instance).catch((error: unknown) => {
        if (!(error instanceof AssociationAbortedError) || this.signal.aborted) throw error;
        return this.#send(instance);
      });
      this.operations.answered(sopInstanceUid, answer);
      this.#aborts = 0;
    } catch (error) {
      // Cut short by a C-CANCEL, it is one of those that remain.
      if (!this.signal.aborted) this.operations.failed(sopInstanceUid, error);
    }
  }

  async #send(instance: LocatedInstance) {
    if (this.#away !== undefined) throw this.#away;
    this.#association ??= await this.#opened();
    try {
      return await this.sendInstance.execute(instance, this.#association, this.signal);
    } catch (error) {
      if (error instanceof AssociationAbortedError) {
        this.#association = undefined;
        if (++this.#aborts >= abortsMax) this.#away = error;
      }
      throw error;
    }
  }

  async #opened(): Promise<DestinationAssociation> {
    try {
      return await this.open();
    } catch (error) {
      this.#away = error;
      throw error;
    }
  }
}

/** True when it is done within this time. */
async function within(done: Promise<boolean>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  try {
    return await Promise.race([done, sleep(ms, false, { signal: timer.signal })]);
  } finally {
    timer.abort();
  }
}
