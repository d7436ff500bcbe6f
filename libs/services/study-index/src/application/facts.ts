import type { Release } from './complete-studies.js';
import type { IndexTransaction } from './index-instance.js';

/** A fact as it came: its id makes its effect happen once, the completion that follows belongs to its trace. */
export interface Fact {
  readonly id: string;
  readonly traceparent?: string | undefined;
  readonly correlationId?: string | undefined;
}

/** Where facts take effect, each once, in one transaction with its inbox row. */
export interface FactStore {
  /** @returns what `work` gave; undefined, without running it, when the fact's effect is committed already */
  once<T>(fact: Fact, work: (index: IndexTransaction) => Promise<T>): Promise<T | undefined>;
  /**
   * The same of several facts, in one transaction with all their inbox rows. The last is whose trace the completion belongs to.
   * @param work gets those whose effect is not committed yet; not run where there are none
   */
  onceOf<F extends Fact, K, V>(
    facts: readonly F[],
    work: (index: IndexTransaction, fresh: readonly F[]) => Promise<ReadonlyMap<K, V>>,
  ): Promise<ReadonlyMap<K, V>>;
  /** Records a release, and brings the study's deadline nearer when everything it announced is indexed. */
  released(fact: Fact, release: Release): Promise<void>;
}
