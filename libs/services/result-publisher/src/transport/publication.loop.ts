import { setTimeout as sleep } from 'node:timers/promises';

import type { Waker } from '@callosum/event-log';
import { errorCode } from '@callosum/kernel';
import { LOGGER } from '@callosum/runtime';
import { type Logger, withSpan } from '@callosum/telemetry';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';

import type { ClaimedPublication } from '../application/ports.js';
import type { PublishDependencies } from '../application/publish.js';
import { claimLeaseMs, type Publications, workOff } from '../application/work-off-publication.js';
import { afterUnrecorded } from '../domain/attempts.js';
import { PUBLICATIONS, PUBLISHING, WAKER } from '../tokens.js';

/** Studies worked on at once by one replica: each mostly waits for the index or the FHIR server. */
const workers = 4;
/** What another replica recorded, and rows whose pause is over, are seen within this time. */
const pollMs = 1_000;
const pauseAfterErrorMs = 1_000;

/** A claim whose attempt is over, and why its outcome could not be recorded: the database was away, or will not take it. */
interface Unrecorded {
  readonly claim: ClaimedPublication;
  readonly error: unknown;
}

/** Works off due publications. What is due stands in rows: a process that dies forgets nothing. */
@Injectable()
export class PublicationLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly stop = new AbortController();
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    @Inject(PUBLICATIONS) private readonly publications: Publications,
    @Inject(PUBLISHING) private readonly dependencies: PublishDependencies,
    @Inject(WAKER) private readonly waker: Waker,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.running = Promise.all(Array.from({ length: workers }, () => this.work()));
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stop.abort();
    this.waker.wake();
    await this.running;
  }

  private async work(): Promise<void> {
    let left: Unrecorded | undefined;
    while (!this.stop.signal.aborted) {
      const { turn } = this.waker;
      let claim: ClaimedPublication | undefined;
      try {
        // Nobody else may take its study until the claim runs out.
        if (left) await this.giveBack(left);
        left = undefined;
        claim = await this.publications.claim(claimLeaseMs);
        if (claim) await this.attempt(claim);
        else await this.waker.wait(turn, pollMs);
      } catch (err) {
        this.log.error({ err }, 'publication.loop-failed');
        if (claim) left = { claim, error: err };
        // No outage will end: the claim runs out by itself, and this worker has other studies.
        else if (!this.dependencies.isOutage(err)) left = undefined;
        await sleep(pauseAfterErrorMs, undefined, { signal: this.stop.signal }).catch(() => undefined);
      }
    }
    if (left) await this.giveBackAtTheEnd(left);
  }

  /** Once: who starts next need not wait for the claim to run out. Where the database is still away it has to. */
  private async giveBackAtTheEnd(left: Unrecorded): Promise<void> {
    try {
      await this.giveBack(left);
    } catch (err) {
      this.log.error({ err }, 'publication.loop-failed');
    }
  }

  private async giveBack({ claim, error }: Unrecorded): Promise<void> {
    const { failures, retryAfterMs } = afterUnrecorded(claim.failures, error, this.dependencies.isOutage);
    await this.publications.giveBack(claim, failures, retryAfterMs);
  }

  /**
   * Continues the trace of the fact that asked for it, however long ago that was, and links to the decision it is
   * published under: that may have been a person's, in a trace of its own.
   */
  private async attempt(claim: ClaimedPublication): Promise<void> {
    const fields = {
      study: claim.studyInstanceUid,
      kind: claim.kind,
      job: claim.jobId,
      attempt: attemptsOf(claim) + 1,
    };
    const options = {
      traceparent: claim.traceparent,
      links: claim.decisionTraceparent ? [claim.decisionTraceparent] : [],
      attributes: {
        'callosum.study': claim.studyInstanceUid,
        'callosum.publication': claim.kind,
        ...(claim.jobId ? { 'callosum.job': claim.jobId } : {}),
      },
    };
    await withSpan('result-publisher', `publish ${claim.kind}`, options, async (span) => {
      const { end, error } = await workOff(this.publications, this.dependencies, claim);
      span.setAttribute('callosum.outcome', end);
      if (end === 'parked') this.log.error({ ...fields, err: error }, 'publication.parked');
      else if (end === 'retry') this.log.warn({ ...fields, code: errorCode(error), err: error }, 'publication.delayed');
      else this.log.info({ ...fields, outcome: end }, 'publication.done');
    });
    // The study is free again: what else is due for it need not wait for the next poll.
    this.waker.wake();
  }
}

const attemptsOf = ({ failures: { outages, refusals, defects } }: ClaimedPublication): number =>
  outages + refusals + defects;
