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
  /** Records a release, and brings the study's deadline nearer when everything it announced is indexed. */
  released(fact: Fact, release: Release): Promise<void>;
}
