import type { RetrieveOutcome, StoreRequest, SubOperationCounts } from '@callosum/dimse';

import type { CallableEntity } from '../domain/application-entity.js';
import { UncallableEntityError } from '../domain/forwarding-errors.js';
import { pauseAfter } from '../domain/forward-outcome.js';
import { findIdentifier, type FoundStudy, retrieveIdentifier, studyOf } from '../domain/pull.js';
import { PullLostError, TooManyStudiesError } from '../domain/pull-errors.js';
import {
  afterPullError,
  afterRetrieve,
  afterRetrieveError,
  becauseOf,
  type StudyEnd,
  studyPauseMs,
  unlessOurs,
} from '../domain/pull-outcome.js';
import type { ApplicationEntities } from './ports.js';
import type { ClaimedPull, Pulls, PullSource, PullStudy, PullStudyState, RetrieveProgress } from './pull-ports.js';
import { PulledObjects, type PulledObjectsParts } from './pulled-objects.js';

export interface WorkOffPullParts extends PulledObjectsParts {
  readonly pulls: Pulls;
  readonly source: PullSource;
  readonly entities: ApplicationEntities;
  readonly isOutage: (error: unknown) => boolean;
  /** Told when the end of what a C-GET brought could not be announced. */
  readonly onUnannounced: (error: unknown) => void;
  /** Studies one pull may bring. */
  readonly studiesMax: number;
  /** How long a source that is away is tried. */
  readonly giveUpMs: number;
}

/** `lost`: cancelled, or another worker's by now; `broken-off`: the process ends, another one goes on. */
export type PullAttempt =
  | { readonly end: 'ended' | 'lost' | 'broken-off' }
  | { readonly end: 'delayed'; readonly code: string; readonly pauseMs: number }
  | { readonly end: 'failed'; readonly code: string };

export const pullLeaseMs = 60_000;
/** A cancelled pull is cancelled at the source within this time. */
const renewEveryMs = 2_000;
const progressEveryMs = 1_000;

/**
 * Works off a claimed pull: looks its studies up at the source, then asks for one after the other. Each step is in its row
 * before the next: whoever goes on after a crash asks again for the study that was under way, and what of it is here
 * already is a duplicate, which is success (rule 2 of the design).
 */
export class WorkOffPull {
  constructor(private readonly parts: WorkOffPullParts) {}

  /** @param stop ends it; the pull is given back */
  async execute(claim: ClaimedPull, stop: AbortSignal): Promise<PullAttempt> {
    const { pulls } = this.parts;
    const lost = new AbortController();
    const renewal = setInterval(() => {
      void pulls.renew(claim, pullLeaseMs).then(
        (ours) => !ours && lost.abort(new PullLostError()),
        () => undefined, // the next one may pass; the lease is long
      );
    }, renewEveryMs);
    try {
      return await this.#work(claim, AbortSignal.any([stop, lost.signal]));
    } catch (error) {
      if (lost.signal.aborted || error instanceof PullLostError) return { end: 'lost' };
      if (!stop.aborted) return await this.#brokenOff(claim, error);
      await pulls.later(claim, 0);
      return { end: 'broken-off' };
    } finally {
      clearInterval(renewal);
    }
  }

  async #work(claim: ClaimedPull, signal: AbortSignal): Promise<PullAttempt> {
    const { pulls } = this.parts;
    const entity = await this.parts.entities.callable(claim.source);
    if (!entity) throw new UncallableEntityError();
    if (!claim.isFound) {
      const { studies, incomplete } = await this.#find(entity, claim, signal);
      await pulls.found(claim, studies, incomplete);
    }
    for (const study of await pulls.open(claim)) {
      const again = await this.#pull(entity, claim, study, signal);
      signal.throwIfAborted();
      if (again) return again;
    }
    const left = await pulls.open(claim);
    if (left.length > 0) {
      const pauseMs = studyPauseMs(Math.max(...left.map(({ failures }) => failures)));
      await pulls.later(claim, pauseMs);
      return { end: 'delayed', code: 'dimse-ingest.pull-incomplete', pauseMs };
    }
    await pulls.end(claim);
    return { end: 'ended' };
  }

  async #find(
    entity: CallableEntity,
    { selector }: ClaimedPull,
    signal: AbortSignal,
  ): Promise<{ readonly studies: FoundStudy[]; readonly incomplete: string | undefined }> {
    const { source, studiesMax } = this.parts;
    const found = new Map<string, FoundStudy>();
    let incomplete: string | undefined;
    const onIncomplete = (code: string): void => void (incomplete ??= code);
    for await (const match of source.find(entity, findIdentifier(selector), { signal, onIncomplete })) {
      const study = studyOf(match, selector);
      if (study) found.set(study.studyInstanceUid, study);
      if (found.size > studiesMax) throw new TooManyStudiesError(studiesMax);
    }
    signal.throwIfAborted();
    return { studies: [...found.values()], incomplete };
  }

  /** @returns how the pull ends by it, where it does */
  async #pull(
    entity: CallableEntity,
    claim: ClaimedPull,
    study: PullStudy,
    signal: AbortSignal,
  ): Promise<PullAttempt | undefined> {
    const { pulls } = this.parts;
    const { studyInstanceUid } = study;
    const startedAt = performance.now();
    let toldAt = 0;
    let counts: SubOperationCounts = { remaining: 0, completed: 0, failed: 0, warning: 0 };
    const onProgress = (now: SubOperationCounts): void => {
      counts = now;
      if (performance.now() - toldAt < progressEveryMs) return;
      toldAt = performance.now();
      // What it says is told again at the end.
      void pulls.progress(claim, studyInstanceUid, counts).catch(() => undefined);
    };
    let after: StudyEnd;
    try {
      const { outcome, refusal } = await this.#retrieve(entity, claim, study, { signal, onProgress });
      counts = outcome.counts;
      after = becauseOf(afterRetrieve(outcome, study.failures), refusal);
    } catch (error) {
      signal.throwIfAborted();
      const { gave } = await pulls.standing(claim);
      const ofStudy = afterRetrieveError(error, study.failures, gave, this.parts.isOutage);
      if (!ofStudy) throw error;
      after = ofStudy;
    }
    // A cancel is the peer's answer to ours.
    signal.throwIfAborted();
    // Also by C-MOVE, where the C-STOREs came to this replica.
    after = unlessOurs(after, this.parts.storeInstance.outageSince(startedAt));
    if (after.end === 'hopeless') return this.#failed(claim, after.code);
    await pulls.studyEnded(
      claim,
      studyInstanceUid,
      stateAfter(after),
      counts,
      'code' in after ? after.code : undefined,
    );
    // The other studies go first then: it may be about this one.
    return after.end === 'later' ? this.#later(claim, after.code) : undefined;
  }

  async #retrieve(
    entity: CallableEntity,
    claim: ClaimedPull,
    study: PullStudy,
    progress: RetrieveProgress,
  ): Promise<{ readonly outcome: RetrieveOutcome; readonly refusal?: string | undefined }> {
    const { source } = this.parts;
    const identifier = retrieveIdentifier(study.studyInstanceUid);
    if (entity.retrieve !== 'get') return { outcome: await source.move(entity, identifier, progress) };
    const objects = new PulledObjects(this.parts, claim.id, entity.aet);
    const store = (request: StoreRequest) => objects.store(request);
    const outcome = await source.get(entity, identifier, study, store, progress);
    // Not telling that it released is a pity, not a loss: what it brought is stored.
    await objects.released().catch((error: unknown) => this.parts.onUnannounced(error));
    return { outcome, refusal: objects.refusal };
  }

  async #brokenOff(claim: ClaimedPull, error: unknown): Promise<PullAttempt> {
    const { code, again } = afterPullError(error, this.parts.isOutage);
    return again ? this.#later(claim, code) : this.#failed(claim, code);
  }

  /** The source is away or busy. */
  async #later(claim: ClaimedPull, code: string): Promise<PullAttempt> {
    // As it is now: something may have come since the claim.
    const { attempts, awayMs } = await this.parts.pulls.standing(claim);
    if (awayMs >= this.parts.giveUpMs) return this.#failed(claim, code);
    const pauseMs = Math.round(pauseAfter(attempts + 1));
    await this.parts.pulls.later(claim, pauseMs, code);
    return { end: 'delayed', code, pauseMs };
  }

  async #failed(claim: ClaimedPull, code: string): Promise<PullAttempt> {
    await this.parts.pulls.end(claim, code);
    return { end: 'failed', code };
  }
}

function stateAfter(after: Exclude<StudyEnd, { readonly end: 'hopeless' }>): PullStudyState {
  if (after.end === 'later') return after.failed ? 'again' : 'waiting';
  return after.end;
}
