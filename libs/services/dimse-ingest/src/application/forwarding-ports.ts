import type { Refusal, RefusedOutcome, Standing } from '../domain/forward-outcome.js';
import type { ForwardableInstance, ForwardingRule, ForwardTarget } from '../domain/forwarding-rule.js';

/** A rule, and whether it stands in the settings, where nobody changes it over HTTP. */
export interface KnownRule extends ForwardingRule {
  readonly fixed: boolean;
}

export interface ForwardingRules {
  /** All of them, those of the settings first; at most a second old. */
  current(): Promise<readonly ForwardingRule[]>;
  all(): Promise<readonly KnownRule[]>;
  /** @throws {TooManyForwardingRulesError} */
  create(rule: Omit<ForwardingRule, 'id'>): Promise<KnownRule>;
  /** @throws {UnknownForwardingRuleError} @throws {FixedForwardingRuleError} */
  replace(id: string, rule: Omit<ForwardingRule, 'id'>): Promise<KnownRule>;
  /** @throws {UnknownForwardingRuleError} @throws {FixedForwardingRuleError} */
  remove(id: string): Promise<void>;
}

/** The fact that asks for something, and its trace. */
export interface ForwardOrigin {
  readonly eventId: string;
  readonly traceparent?: string | undefined;
}

/** One instance on its way to one destination. */
export interface ForwardItem {
  readonly id: number;
  readonly studyInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly transferSyntaxUid: string;
  readonly revision: number;
  readonly transcode: boolean;
  readonly attempts: number;
  readonly traceparent: string | undefined;
}

/** A worker's place at a destination: one association. */
export interface ForwardLease {
  readonly destination: string;
  /** Rises with each claim: whoever has an older one writes nothing any more. */
  readonly fence: number;
}

/** What one worker sends next: instances of one study. */
export interface ForwardBatch extends ForwardLease {
  readonly items: readonly ForwardItem[];
}

export interface BatchLimits {
  readonly leaseMs: number;
  readonly itemsMax: number;
}

export interface ClaimLimits extends BatchLimits {
  /** Of one destination at the same time, over all replicas. */
  readonly claimsMax: number;
}

/** Why and for how long an item is put off. */
export interface PutOff {
  readonly code: string;
  readonly delayMs: number;
  /** It is held against the item. */
  readonly attempted: boolean;
  /** The destination did not take it: where that goes on, those that it never refused go first. */
  readonly refusal?: Refusal | undefined;
}

/** How things stand with a destination. */
export interface QueueState {
  readonly destination: string;
  readonly waiting: number;
  readonly failed: number;
  /** Seconds the instance that waits longest has waited; 0 when none does. */
  readonly oldestSeconds: number;
  /** Of the last failure: a DIMSE status or the code of an error. */
  readonly lastErrorCode: string | undefined;
  readonly lastFailedAt: Date | undefined;
  readonly lastAnsweredAt: Date | undefined;
  /** When it is tried again, where it is left alone now. */
  readonly nextAttemptAt: Date | undefined;
}

/** Instances that wait for their destinations, one row each. */
export interface ForwardQueue {
  /**
   * Once for each event; an instance that a destination has or waits for is not added again, one that was withdrawn waits
   * again. @returns how many were
   */
  add(origin: ForwardOrigin, instance: ForwardableInstance, targets: readonly ForwardTarget[]): Promise<number>;
  /** Lets an instance wait again where it was withdrawn when it was to be sent. @returns for how many destinations */
  resume(instance: ForwardableInstance, targets: readonly ForwardTarget[]): Promise<number>;
  /** Destinations with something to send that are not left alone now. */
  due(): Promise<readonly string[]>;
  /**
   * A place at the destination, and instances of one study, in order: what is due longest, or, at a destination that
   * refuses instances, what it never refused, each time from elsewhere on. Undefined when nothing is due, or as many as may
   * be are at it, here and elsewhere. The place is the worker's until `release`, or until the lease ends.
   */
  claim(destination: string, limits: ClaimLimits): Promise<ForwardBatch | undefined>;
  /** Instances of one study for a worker that has its place; undefined when nothing is due, or it has it no more. */
  next(lease: ForwardLease, limits: BatchLimits): Promise<ForwardBatch | undefined>;
  /** The worker has left the destination. */
  release(lease: ForwardLease): Promise<void>;
  /** @returns false when another worker has its place, or one of the items, by now */
  renew(lease: ForwardLease, items: readonly ForwardItem[], leaseMs: number): Promise<boolean>;
  /** `dropped`: there is nothing to send any more. Nothing happens where another worker has the item by now. */
  end(batch: ForwardBatch, item: ForwardItem, state: 'sent' | 'failed' | 'dropped', code?: string): Promise<void>;
  /**
   * Queues the current revision for the item's destination, as the item was; nothing happens where the destination has it
   * or waits for it, or another worker has the item by now. @returns whether it was
   */
  follow(batch: ForwardBatch, item: ForwardItem, current: KeptObject): Promise<boolean>;
  /** Lets an item go until it is due again. */
  later(batch: ForwardBatch, item: ForwardItem, putOff: PutOff): Promise<void>;
  /** Lets items go that were not tried. */
  giveBack(batch: ForwardBatch, items: readonly ForwardItem[]): Promise<void>;
  /** What is known when the destination did not take an item. */
  standing(batch: ForwardBatch, item: ForwardItem): Promise<Standing>;
  /** An instance failed by a vague answer: it counts among those that the destination did not take in a row. */
  destinationFailed(destination: string): Promise<void>;
  /** The destination did not take an instance, and may take none. @returns how many this visit tries */
  destinationRefused(destination: string, refused: RefusedOutcome): Promise<number>;
  /**
   * Leaves a destination alone for a while.
   * @param why it was not reached, or took nothing in a visit
   * @returns for how long, in ms; undefined when it is already
   */
  destinationAway(destination: string, code: string, why: 'unreached' | 'refusing'): Promise<number | undefined>;
  /** The destination took something. @returns true when it had been away */
  destinationAnswered(destination: string): Promise<boolean>;
  states(): Promise<readonly QueueState[]>;
  /**
   * Failed instances wait again, and the destination is tried at once; those that were withdrawn when they were to be
   * sent only by their code. @returns how many
   */
  retry(destination: string, code?: string): Promise<number>;
  /** Gives up what waits or failed. @returns how many */
  drop(destination: string, state: 'waiting' | 'failed'): Promise<number>;
  /** Forgets what ended before. @returns how many */
  prune(days: number): Promise<number>;
}

/** An instance as the archive has it now. */
export interface KeptObject {
  readonly revision: number;
  readonly sopClassUid: string;
  readonly transferSyntaxUid: string;
  readonly blobKey: string;
  /** As of `ForwardableInstance`. */
  readonly source: string;
  readonly issuedByCallosum: boolean;
}

export interface CurrentObjects {
  /** The current one that may be shown to others; undefined when there is none. */
  current(studyInstanceUid: string, sopInstanceUid: string): Promise<KeptObject | undefined>;
}

export interface ShownObjects {
  /** Those of these instances of the study that the archive shows. */
  shown(studyInstanceUid: string, sopInstanceUids: readonly string[]): Promise<readonly ForwardableInstance[]>;
}
