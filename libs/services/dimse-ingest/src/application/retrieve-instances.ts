import { setTimeout as sleep } from 'node:timers/promises';

import {
  type Answer,
  AssociationRejectedError,
  type MoveOriginator,
  PeerUnreachableError,
  storeOver,
  type SubOperationCounts,
  type SubOperationSender,
} from '@callosum/dimse';

import type { CallableEntity } from '../domain/application-entity.js';
import { associationLoads } from '../domain/proposed-contexts.js';
import { HiddenMeanwhileError, TooManyRetrievesError } from '../domain/query-errors.js';
import type { RetrieveIdentifier } from '../domain/query-model.js';
import { SubOperations } from '../domain/sub-operations.js';
import type { Destinations } from './destination-ports.js';
import { locateSelection } from './locate-selection.js';
import type { KeptObjects } from './ports.js';
import type { CurrentInstances, LocatedInstance, QueryIndex } from './query-ports.js';
import { ReadAhead } from './read-ahead.js';
import type { SendInstance, StoreObject } from './send-instance.js';
import type { SharedTurns } from './shared-turns.js';
import { StillShown } from './still-shown.js';

/** Whoever waits hears of it twice a second. */
const progressMs = 500;
/** A destination whose associations end so often, with nothing stored between, takes nothing of the rest either. */
const breaksMax = 3;

type Progress = AsyncGenerator<SubOperationCounts, SubOperations>;
/** @param again the instance as it is shown now, for whoever tries anew. @throws {HiddenMeanwhileError} */
type Send = (instance: LocatedInstance, again: () => Promise<LocatedInstance>) => Promise<Answer>;
type SendOnce = (instance: LocatedInstance) => Promise<Answer>;

/** One retrieve, as whoever sends for it sees it. */
interface Retrieve {
  readonly callingAet: string;
  readonly operations: SubOperations;
  readonly archive: CurrentInstances;
  readonly objects: ReadAhead;
  readonly signal: AbortSignal;
}

/**
 * C-MOVE and C-GET: finds what is asked for and sends it, object by object. Progress is yielded while that goes on,
 * whatever a single object takes; what is returned is how it ended.
 */
export class RetrieveInstances {
  constructor(
    private readonly index: QueryIndex & CurrentInstances,
    private readonly objects: KeptObjects,
    private readonly destinations: Pick<Destinations, 'open'>,
    private readonly sendInstance: SendInstance,
    /** Retrieves at the same time, by the AEs that ask. */
    private readonly retrieves: SharedTurns,
    /** Instances of one retrieve: all are listed in memory, some 300 bytes each. */
    private readonly instancesMax: number,
  ) {}

  /**
   * C-GET: over the association that asks. Ends when `signal` says so, with what is left as remaining.
   * @param callingAet who asks
   * @throws {TooManyRetrievesError} @throws {TooManyInstancesError} @throws {IndexUnavailableError}
   * @throws {IdentifierError}
   */
  get(selection: RetrieveIdentifier, sender: SubOperationSender, callingAet: string, signal: AbortSignal): Progress {
    return this.#retrieve(selection, callingAet, signal, (instances, retrieve) =>
      eachOf(
        instances,
        retrieve,
        this.#sent(retrieve, (object) => storeOver(sender, object)),
      ),
    );
  }

  /** C-MOVE: over associations with the destination. Otherwise as `get`. */
  move(
    selection: RetrieveIdentifier,
    destination: CallableEntity,
    originator: MoveOriginator,
    signal: AbortSignal,
  ): Progress {
    return this.#retrieve(selection, originator.aet, signal, async (instances, retrieve) => {
      for (const { contexts, objects } of associationLoads(instances)) {
        const peer = this.destinations.open(destination, contexts);
        const send = this.#sent(retrieve, (object) => peer.store(object, originator));
        const delivery = new Delivery(peer, signal, send);
        await eachOf(objects, retrieve, (instance, again) => delivery.send(instance, again)).finally(() =>
          peer.close(),
        );
      }
    });
  }

  #sent(retrieve: Retrieve, store: StoreObject): SendOnce {
    return (instance) => this.sendInstance.execute(instance, retrieve, store);
  }

  async *#retrieve(
    selection: RetrieveIdentifier,
    callingAet: string,
    signal: AbortSignal,
    send: (instances: readonly LocatedInstance[], retrieve: Retrieve) => Promise<void>,
  ): Progress {
    const giveBack = this.retrieves.takeNow(callingAet);
    if (!giveBack) throw new TooManyRetrievesError();
    try {
      const instances = await locateSelection(this.index, selection, this.instancesMax, signal);
      const operations = new SubOperations(instances.length);
      const objects = new ReadAhead(this.objects);
      const retrieve = { callingAet, operations, archive: this.index, objects, signal };
      const work = send(instances, retrieve).finally(() => objects.close());
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
}

/**
 * Sends one after the other what is still shown then, and counts; a C-CANCEL ends it, and what it cuts short is one of those
 * that remain.
 */
async function eachOf(
  instances: readonly LocatedInstance[],
  { operations, archive, objects, signal }: Retrieve,
  send: Send,
): Promise<void> {
  const shown = new StillShown(archive, instances);
  for (const [at, { sopInstanceUid }] of instances.entries()) {
    if (signal.aborted) return;
    try {
      const [instance, next] = await shown.from(at, signal);
      objects.announce(next?.blobKey);
      if (!instance) throw new HiddenMeanwhileError();
      const again = async (): Promise<LocatedInstance> => {
        const [now] = await shown.from(at, signal);
        if (!now) throw new HiddenMeanwhileError();
        return now;
      };
      operations.answered(sopInstanceUid, await send(instance, again));
    } catch (error) {
      if (!signal.aborted) operations.failed(sopInstanceUid, error);
    }
  }
}

/** What goes over one association with a destination, or over others in its place when it breaks. */
class Delivery {
  #breaks = 0;
  /** Why nothing more can be sent. */
  #away: { readonly error: unknown } | undefined;

  constructor(
    private readonly peer: { readonly isOpen: boolean },
    private readonly signal: AbortSignal,
    private readonly sendOnce: SendOnce,
  ) {}

  /** An association may have been ended while nothing was sent on it: an object gets a second one. */
  async send(instance: LocatedInstance, again: () => Promise<LocatedInstance>): Promise<Answer> {
    const answer = await this.#attempt(instance).catch(async (error: unknown) => {
      // It failed by itself, and would again.
      if (this.peer.isOpen || this.signal.aborted) throw error;
      return this.#attempt(await again());
    });
    this.#breaks = 0;
    return answer;
  }

  async #attempt(instance: LocatedInstance): Promise<Answer> {
    if (this.#away) throw this.#away.error;
    try {
      return await this.sendOnce(instance);
    } catch (error) {
      const isNoAssociation = error instanceof PeerUnreachableError || error instanceof AssociationRejectedError;
      if (isNoAssociation || (!this.peer.isOpen && ++this.#breaks >= breaksMax)) this.#away = { error };
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
