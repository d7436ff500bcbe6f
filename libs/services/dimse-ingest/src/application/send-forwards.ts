import { errorCode } from '@callosum/kernel';

import type { CallableEntity } from '../domain/application-entity.js';
import { afterAnswer, afterError, type ForwardOutcome, withdrawnCode } from '../domain/forward-outcome.js';
import { UncallableEntityError } from '../domain/forwarding-errors.js';
import { staysAway } from '../domain/forwarding-rule.js';
import type { Destinations } from './destination-ports.js';
import type {
  CurrentObjects,
  ForwardBatch,
  ForwardingRules,
  ForwardItem,
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
  /** Around the sending of each instance: its span. */
  readonly observe: (batch: ForwardBatch, item: ForwardItem, send: () => Promise<ForwardEnd>) => Promise<ForwardEnd>;
  readonly onAway: (destination: string, code: string, pauseMs: number) => void;
  readonly onBack: (destination: string) => void;
}

/** `withdrawn`: there is nothing to send any more. */
export type ForwardEnd = ForwardOutcome | { readonly end: 'withdrawn'; readonly code: string };

type Peer = Parameters<Parameters<Destinations['with']>[1]>[0];

/** An item is sent within it, or it is renewed meanwhile; after a crash another worker has the items so much later. */
const leaseMs = 120_000;
const renewEveryMs = 30_000;
/** What a process that ends lets the instance under way have; it is sent again otherwise. */
const endingMs = 5_000;
/** A large CT series in some associations: what a crash leaves behind a lease stays little. */
const itemsMax = 200;

/**
 * Sends what waits for one destination, a study at a time over one association, as it is in the archive at that moment:
 * original bytes. What the destination took is recorded at once, so that whoever goes on after a crash sends at most one
 * instance twice.
 */
export class SendForwards {
  constructor(private readonly parts: SendForwardsParts) {}

  /**
   * One batch. @param signal ends it after the instance that is being sent
   * @returns false when nothing is due
   */
  async execute(destination: string, signal: AbortSignal): Promise<boolean> {
    const { queue } = this.parts;
    const batch = await queue.claim(destination, { leaseMs, itemsMax, claimsMax: this.parts.associationsMax });
    if (!batch) return false;
    const left = [...batch.items];
    try {
      await this.#send(batch, left, signal);
    } finally {
      if (left.length > 0) await queue.giveBack(batch, left);
    }
    return true;
  }

  /** Takes from `left` what has ended. */
  async #send(batch: ForwardBatch, left: ForwardItem[], signal: AbortSignal): Promise<void> {
    const { destination } = batch;
    const entity = await this.parts.entities.callable(destination);
    if (!entity) return this.#away(destination, errorCode(new UncallableEntityError()));
    await this.parts.destinations.with(entity, (peer) => this.#sendTo(entity, peer, batch, left, signal));
  }

  async #sendTo(
    { aet }: CallableEntity,
    peer: Peer,
    batch: ForwardBatch,
    left: ForwardItem[],
    signal: AbortSignal,
  ): Promise<void> {
    const { queue } = this.parts;
    peer.expect(left);
    let lost = false;
    const renewal = setInterval(() => {
      // Of this moment: what ends meanwhile leaves `left`.
      const renewed = queue.renew(batch, [...left], leaseMs).catch(() => true);
      void renewed.then((ours) => {
        if (ours) return;
        lost = true;
        peer.abort();
      });
    }, renewEveryMs);
    const ending = (): void => void setTimeout(() => peer.abort(), endingMs).unref();
    signal.addEventListener('abort', ending, { once: true });
    let answered = false;
    try {
      for (let item = left[0]; item && !signal.aborted; item = left[0]) {
        const current = item;
        const end = await this.parts.observe(batch, item, () => this.#one(peer, batch, current));
        // Another worker has it: what becomes of it is for that one to say.
        if (lost) return void left.splice(0);
        if (signal.aborted && end.end !== 'sent') return;
        if (end.end === 'sent' && !answered) {
          answered = true;
          if (await queue.destinationAnswered(aet)) this.parts.onBack(aet);
        }
        // The claim ends with it.
        if (left.length === 1) await this.#leave(peer);
        await this.#record(batch, item, end);
        left.shift();
        if (end.end === 'away') return await this.#away(aet, end.code);
      }
    } finally {
      await this.#leave(peer);
      clearInterval(renewal);
      signal.removeEventListener('abort', ending);
    }
  }

  /**
   * The next claim may be another replica's: a destination that takes one association must not find ours still open, with
   * nothing to send. Before the claim ends, then, and not when it was idle for a while.
   */
  async #leave(peer: Peer): Promise<void> {
    if (this.parts.associationsMax === 1) await peer.close();
  }

  async #one(peer: Peer, batch: ForwardBatch, item: ForwardItem): Promise<ForwardEnd> {
    try {
      const kept = await this.parts.objects.current(item.studyInstanceUid, item.sopInstanceUid);
      if (!kept) return { end: 'withdrawn', code: withdrawnCode };
      // A recovery may have learnt only after it was queued whose it is.
      if (kept.issuedByCallosum) return { end: 'withdrawn', code: 'dimse-ingest.own-result' };
      if (kept.revision !== item.revision) return await this.#superseded(batch, item, kept);
      const { status } = await peer.store(outgoingObject(this.parts.objects, item, kept));
      return afterAnswer(status, item.attempts);
    } catch (error) {
      return afterError(error, item.attempts, this.parts.isOutage);
    }
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
    if (end.end === 'later') return queue.later(batch, item, end.delayMs, end.code);
    if (end.delayMs === undefined) return queue.giveBack(batch, [item]);
    return queue.later(batch, item, end.delayMs, end.attempted ? end.code : undefined);
  }

  async #away(destination: string, code: string): Promise<void> {
    const pauseMs = await this.parts.queue.destinationAway(destination, code);
    if (pauseMs !== undefined) this.parts.onAway(destination, code, pauseMs);
  }
}
