import type { Place, PlaceRefusal } from '../../application/admit-peer.js';
import type { ApplicationEntity } from '../../domain/application-entity.js';

/** A peer that was quiet may catch up on this much at once. */
const burstMs = 1_000;

/** A steady rate, by the time the next request is due (a token bucket whose tokens are time). */
class Pace {
  #dueAt = 0;

  /** @returns how long to wait with this request, in milliseconds; 0 when there is none to wait for */
  take(perSecond: number, now: number): number {
    this.#dueAt = Math.max(this.#dueAt, now - burstMs) + 1_000 / perSecond;
    return Math.max(0, this.#dueAt - now);
  }

  /** Nothing is left to pay for what was taken: it may begin anew with a burst. */
  rested(now: number): boolean {
    return this.#dueAt <= now - burstMs;
  }

  /** The one who waited is gone. */
  giveBack(perSecond: number): void {
    this.#dueAt -= 1_000 / perSecond;
  }
}

interface Peer {
  readonly pace: Pace;
  associations: number;
}

/** Associations and rates of this replica, by AE title. What is known of an AE is forgotten when its last association has ended and its rate is paid for. */
export class PeerLimits {
  readonly #peers = new Map<string, Peer>();
  #associations = 0;

  /** @param aeAssociationsMax of one AE whose entry says nothing: a sender that leaks associations leaves room for others */
  constructor(
    private readonly associationsMax: number,
    private readonly aeAssociationsMax: number,
  ) {}

  /** A place for one association; `leave` gives it back. */
  enter(aet: string, entity: ApplicationEntity | undefined): Place | PlaceRefusal {
    const peer = this.#peers.get(aet) ?? { pace: new Pace(), associations: 0 };
    if (this.#associations >= this.associationsMax) return 'associations-max';
    if (peer.associations >= (entity?.associationsMax ?? this.aeAssociationsMax)) return 'ae-associations-max';
    this.#peers.set(aet, peer);
    peer.associations++;
    this.#associations++;
    return {
      leave: () => {
        this.#associations--;
        peer.associations--;
        this.#forget();
      },
    };
  }

  /** A sender that opens an association for each image is slowed as one that keeps its own: its pace outlives them. */
  #forget(): void {
    const now = performance.now();
    for (const [aet, { associations, pace }] of this.#peers)
      if (associations === 0 && pace.rested(now)) this.#peers.delete(aet);
  }

  /**
   * Resolves when the AE may have one more request worked on, or has given up on it. Nothing of the request is read
   * meanwhile: its sender is slowed, not refused.
   * @returns true when it had to wait
   */
  async turn(aet: string, entity: ApplicationEntity | undefined, signal: AbortSignal): Promise<boolean> {
    const perSecond = entity?.requestsPerSecondMax;
    const pace = this.#peers.get(aet)?.pace;
    if (perSecond === undefined || !pace) return false;
    const waitMs = pace.take(perSecond, performance.now());
    if (waitMs < 1) return false;
    if (!(await passed(waitMs, signal))) pace.giveBack(perSecond);
    return true;
  }
}

/** @returns false when the signal came first */
function passed(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const aborted = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', aborted);
      resolve(true);
    }, ms);
    signal.addEventListener('abort', aborted, { once: true });
  });
}
