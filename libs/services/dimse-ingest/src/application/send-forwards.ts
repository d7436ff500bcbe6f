import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import { errorCode } from '@callosum/kernel';

import type { CallableEntity } from '../domain/application-entity.js';
import {
  afterAnswer,
  afterError,
  type ForwardOutcome,
  judge,
  type RefusedOutcome,
  unlessAll,
  withdrawnCode,
} from '../domain/forward-outcome.js';
import { UncallableEntityError } from '../domain/forwarding-errors.js';
import { staysAway } from '../domain/forwarding-rule.js';
import type { Destinations } from './destination-ports.js';
import type {
  CurrentObjects,
  ForwardBatch,
  ForwardingRules,
  ForwardItem,
  ForwardLease,
  ForwardQueue,
  KeptObject,
} from './forwarding-ports.js';
import { outgoingObject } from './outgoing-object.js';
import type { ApplicationEntities, KeptObjects } from './ports.js';

export interface SendForwardsParts {
  readonly queue: ForwardQueue;
  readonly rules: Pick<ForwardingRules, 'current'>;
  readonly objects: CurrentObjects & KeptObjects;
  readonly entities: ApplicationEntities;
  readonly destinations: Pick<Destinations, 'with'>;
  /** Tells errors of libraries that say a dependency of ours is away. */
  readonly isOutage: (error: unknown) => boolean;
  /** To one destination at the same time. */
  readonly associationsMax: number;
  /** An association is kept for so long without anything to send. */
  readonly idleMs: number;
  /** Ends the wait of a worker that has nothing to send: there may be something. */
  readonly work: { readonly turn: number; wait(turn: number, timeoutMs: number): Promise<unknown> };
  /** Around the sending of each instance: its span. */
  readonly observe: (batch: ForwardBatch, item: ForwardItem, send: () => Promise<ForwardEnd>) => Promise<ForwardEnd>;
  readonly onAway: (destination: string, code: string, pauseMs: number) => void;
  readonly onBack: (destination: string) => void;
}

/** `withdrawn`: there is nothing to send any more. */
export type ForwardEnd = ForwardOutcome | { readonly end: 'withdrawn'; readonly code: string };

/** One worker's time at a destination. */
interface Stint {
  /** Of its batch. */
  left: ForwardItem[];
  /** Another worker has some of it by now. */
  lost: boolean;
  /** What it did not take since it took something, in this visit. */
  refused: number;
  /** Of the last of these. */
  code: string;
}

type Peer = Parameters<Parameters<Destinations['with']>[1]>[0];

/** An item is sent within it, or it is renewed meanwhile; after a crash another worker has the items so much later. */
const leaseMs = 120_000;
const renewEveryMs = 30_000;
/** What a process that ends lets the instance under way have; it is sent again otherwise. */
const endingMs = 5_000;
/** A large CT series in some associations: what a crash leaves behind a lease stays little. */
const itemsMax = 200;
/** What another replica queued is seen within this time. */
const pollMs = 1_000;
const gatherMs = 50;

/**
 * Sends what waits for one destination, a study at a time over one association, as it is in the archive at that moment:
 * original bytes. The worker keeps the association, and its place at the destination, for a while without work: a
 * modality that sends an image now and then is one association there, and a destination that takes one only never sees
 * another replica's beside it. What the destination took is recorded at once, so that whoever goes on after a crash sends
 * at most one instance twice.
 */
export class SendForwards {
  constructor(private readonly parts: SendForwardsParts) {}

  /**
   * Works at the destination until it has had nothing to send for a while.
   * @param signal ends it after the instance that is being sent
   * @returns false when nothing is due, or as many as may be are at it
   */
  async execute(destination: string, signal: AbortSignal): Promise<boolean> {
    const { queue } = this.parts;
    const batch = await queue.claim(destination, { leaseMs, itemsMax, claimsMax: this.parts.associationsMax });
    if (!batch) return false;
    try {
      const entity = await this.parts.entities.callable(destination);
      if (entity) await this.parts.destinations.with(entity, (peer) => this.#workAt(entity, peer, batch, signal));
      else await this.#uncallable(batch);
    } catch (error) {
      // What ended of it stays so.
      await queue.giveBack(batch, batch.items);
      throw error;
    } finally {
      // A destination that takes one association must not find ours still open: it is released by now.
      await queue.release(batch);
    }
    return true;
  }

  async #uncallable(batch: ForwardBatch): Promise<void> {
    await this.#away(batch.destination, errorCode(new UncallableEntityError()));
    await this.parts.queue.giveBack(batch, batch.items);
  }

  async #workAt(entity: CallableEntity, peer: Peer, first: ForwardBatch, signal: AbortSignal): Promise<void> {
    const { queue } = this.parts;
    const stint: Stint = { left: [...first.items], lost: false, refused: 0, code: '' };
    const renewal = setInterval(() => {
      // Of this moment: what ends meanwhile leaves `left`.
      const renewed = queue.renew(first, [...stint.left], leaseMs).catch(() => true);
      void renewed.then((ours) => {
        if (ours) return;
        stint.lost = true;
        peer.abort();
      });
    }, renewEveryMs);
    const ending = (): void => void setTimeout(() => peer.abort(), endingMs).unref();
    signal.addEventListener('abort', ending, { once: true });
    try {
      for (let batch: ForwardBatch | undefined = first; batch; batch = await this.#next(entity, batch, stint, signal)) {
        stint.left = [...batch.items];
        if (!(await this.#sendAll(peer, batch, stint, signal))) return;
      }
      // Nothing else is due to try it with.
      if (stint.refused > 0 && !stint.lost) await this.#away(first.destination, stint.code, 'refusing');
    } finally {
      clearInterval(renewal);
      signal.removeEventListener('abort', ending);
    }
  }

  /**
   * @returns false where the work ends: the destination takes nothing now, another worker has it, or the process ends; true
   * where more may be sent: all of the batch has been, or another instance is to be tried than what follows in it
   */
  async #sendAll(peer: Peer, batch: ForwardBatch, stint: Stint, signal: AbortSignal): Promise<boolean> {
    const { queue } = this.parts;
    const { left } = stint;
    const aet = batch.destination;
    peer.expect(left);
    let answered = false;
    try {
      for (let item = left[0]; item && !signal.aborted; item = left[0]) {
        const current = item;
        const end = await this.parts.observe(batch, item, () => this.#one(peer, batch, current));
        // Another worker has it: what becomes of it is for that one to say.
        if (stint.lost) {
          left.length = 0;
          return false;
        }
        if (signal.aborted && end.end !== 'sent') return false;
        if (end.end === 'sent' && !answered) {
          answered = true;
          stint.refused = 0;
          if (await queue.destinationAnswered(aet)) this.parts.onBack(aet);
        }
        await this.#record(batch, item, end);
        left.shift();
        // What it takes after this tells that it takes others.
        if (('refusal' in end && end.refusal) || ('isVague' in end && end.isVague)) answered = false;
        if (end.end === 'away')
          return end.refusal ? await this.#refused(aet, end, stint) : await this.#away(aet, end.code);
      }
      return !signal.aborted;
    } finally {
      if (left.length > 0) await queue.giveBack(batch, left.splice(0));
    }
  }

  /** What is due next; waits for it with the association open. @returns undefined when it is time to leave */
  async #next(
    entity: CallableEntity,
    lease: ForwardLease,
    stint: Stint,
    signal: AbortSignal,
  ): Promise<ForwardBatch | undefined> {
    const { queue, entities, work, idleMs } = this.parts;
    const until = performance.now() + idleMs;
    for (;;) {
      const { turn } = work;
      // An entity that was changed is another peer.
      if (!isDeepStrictEqual(await entities.callable(lease.destination), entity)) return undefined;
      const batch = await queue.next(lease, { leaseMs, itemsMax });
      if (batch) return batch;
      const leftMs = until - performance.now();
      if (leftMs <= 0 || signal.aborted || stint.lost || stint.refused > 0) return undefined;
      await work.wait(turn, Math.min(leftMs, pollMs));
      if (signal.aborted || stint.lost) return undefined;
      // A series that comes wakes it with each image, and so does what comes for others.
      await sleep(Math.min(leftMs, gatherMs));
    }
  }

  async #one(peer: Peer, batch: ForwardBatch, item: ForwardItem): Promise<ForwardEnd> {
    try {
      const kept = await this.parts.objects.current(item.studyInstanceUid, item.sopInstanceUid);
      if (!kept) return { end: 'withdrawn', code: withdrawnCode };
      // A recovery may have learnt only after it was queued whose it is.
      if (kept.issuedByCallosum) return { end: 'withdrawn', code: 'dimse-ingest.own-result' };
      if (kept.revision !== item.revision) return await this.#superseded(batch, item, kept);
      const { status } = await peer.store(outgoingObject(this.parts.objects, item, kept));
      return await this.#judged(batch, item, afterAnswer(status, item.attempts));
    } catch (error) {
      return this.#judged(batch, item, afterError(error, item.attempts, this.parts.isOutage));
    }
  }

  async #judged(batch: ForwardBatch, item: ForwardItem, outcome: ForwardOutcome): Promise<ForwardOutcome> {
    const { queue } = this.parts;
    if (outcome.end === 'away' && outcome.refusal)
      return judge(outcome, item.attempts, await queue.standing(batch, item));
    if (outcome.end !== 'failed' || !outcome.isVague) return outcome;
    const standing = await queue.standing(batch, item);
    const judged = unlessAll(outcome, item.attempts, standing);
    if (judged.end === 'failed' && standing.since !== 'again') await queue.destinationFailed(batch.destination);
    return judged;
  }

  /** A correction may come from a sender that no rule names: its destinations are those of what it corrects. */
  async #superseded(batch: ForwardBatch, item: ForwardItem, kept: KeptObject): Promise<ForwardEnd> {
    const { rules, queue } = this.parts;
    if (!staysAway(await rules.current(), batch.destination, kept.source)) await queue.follow(batch, item, kept);
    return { end: 'withdrawn', code: 'dimse-ingest.superseded' };
  }

  async #record(batch: ForwardBatch, item: ForwardItem, end: ForwardEnd): Promise<void> {
    const { queue } = this.parts;
    if (end.end === 'sent') return queue.end(batch, item, 'sent');
    if (end.end === 'withdrawn') return queue.end(batch, item, 'dropped', end.code);
    if (end.end === 'failed') return queue.end(batch, item, 'failed', end.code);
    if (end.end === 'later' || end.refusal) return queue.later(batch, item, end);
    return queue.giveBack(batch, [item]);
  }

  /** @returns false: the work ends */
  async #away(destination: string, code: string, why: 'unreached' | 'refusing' = 'unreached'): Promise<false> {
    const pauseMs = await this.parts.queue.destinationAway(destination, code, why);
    if (pauseMs !== undefined) this.parts.onAway(destination, code, pauseMs);
    return false;
  }

  /** @returns whether another one is tried at once */
  async #refused(destination: string, end: RefusedOutcome, stint: Stint): Promise<boolean> {
    const tries = await this.parts.queue.destinationRefused(destination, end);
    stint.refused++;
    stint.code = end.code;
    // Whoever hangs or ends the association is not asked again at once.
    if (end.refusal === 'answer' && stint.refused < tries) return true;
    return this.#away(destination, end.code, 'refusing');
  }
}
