import type { LogEvent } from './event.js';

/**
 * Facts of other keys that must have been handled for each fact that is held up, before a claim of an outage is not
 * believed: one could be a fact whose handling needs nothing of what is away.
 */
const othersPerWaitingMin = 3;
/** Failed attempts in a row that found it so: the first may have begun before what was away came back. */
const aloneAttemptsMin = 5;
/** Keys that one waiting fact remembers: more than the test ever needs, `othersPerWaitingMin` for each handler there is. */
const othersMax = 256;

/** One fact whose handler says, again and again, that something it needs is away. */
export class WaitingFact {
  readonly #others = new Set<string>();
  #aloneAttempts = 0;

  constructor(
    readonly topic: string,
    readonly key: string,
  ) {}

  /** Another fact was handled while this one waits. */
  saw({ topic, key }: LogEvent): void {
    if (topic === this.topic && key !== this.key && this.#others.size < othersMax) this.#others.add(key);
  }

  /** One more attempt failed. @param waiting facts of the topic that wait, this one included */
  failed(waiting: number): void {
    this.#aloneAttempts = this.#others.size >= waiting * othersPerWaitingMin ? this.#aloneAttempts + 1 : 0;
  }

  get isAlone(): boolean {
    return this.#aloneAttempts >= aloneAttemptsMin;
  }
}

/**
 * Tells an outage, which holds everybody up, from one fact that claims to meet one: while something is away, its topic
 * comes to a halt partition by partition; while it is not, facts of other keys are handled. What this process saw is
 * all the evidence, so a claim that nothing contradicts is believed.
 */
export class Outages {
  readonly #waiting = new Set<WaitingFact>();

  begin({ topic, key }: LogEvent): WaitingFact {
    const fact = new WaitingFact(topic, key);
    this.#waiting.add(fact);
    return fact;
  }

  end(fact: WaitingFact | undefined): void {
    if (fact) this.#waiting.delete(fact);
  }

  failed(fact: WaitingFact): void {
    fact.failed([...this.#waiting].filter(({ topic }) => topic === fact.topic).length);
  }

  handled(event: LogEvent): void {
    for (const fact of this.#waiting) fact.saw(event);
  }
}
