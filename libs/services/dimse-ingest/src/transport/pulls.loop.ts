import type { Waker } from '@callosum/event-log';
import { LOGGER, SETTINGS } from '@callosum/runtime';
import { count, type Logger, withSpan } from '@callosum/telemetry';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';

import type { ClaimedPull, Pulls, PullSources } from '../application/pull-ports.js';
import { pullLeaseMs, WorkOffPull } from '../application/work-off-pull.js';
import type { DimseIngestSettings } from '../settings.js';
import { PULL_WAKER, PULLS } from '../tokens.js';
import { Background } from './background.js';

const pollMs = 1_000;
const pruneEveryMs = 3_600_000;

/** Works off pulls. What is asked for stands in rows: a process that dies forgets nothing. */
@Injectable()
export class PullsLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly background: Background;

  constructor(
    @Inject(PULLS) private readonly pulls: Pulls,
    @Inject(WorkOffPull) private readonly workOffPull: WorkOffPull,
    @Inject(PULL_WAKER) private readonly waker: Waker,
    @Inject(SETTINGS) private readonly settings: DimseIngestSettings,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.background = new Background((err) => log.error({ err }, 'pull.loop-failed'), waker);
  }

  onApplicationBootstrap(): void {
    const {
      CALLOSUM_PULLS_MAX: workers,
      CALLOSUM_PULL_SELECTOR_DAYS: selectorDays,
      CALLOSUM_PULL_RETENTION_DAYS: days,
    } = this.settings;
    // Sources that were away, and may hang again, leave half of the workers to the others.
    const toAll = Math.ceil(workers / 2);
    for (let index = 0; index < workers; index++)
      this.background.loop(pollMs, () => this.work(index < toAll ? 'all' : 'answering'));
    this.background.every(pruneEveryMs, () => this.pulls.prune(selectorDays, days));
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.background.end();
  }

  private async work(sources: PullSources): Promise<boolean> {
    const claim = await this.pulls.claim(pullLeaseMs, sources);
    if (claim) await this.attempt(claim);
    return claim !== undefined;
  }

  private async attempt(claim: ClaimedPull): Promise<void> {
    const { id: pull, source: aet, traceparent } = claim;
    const attributes = { 'callosum.pull': pull, 'dicom.called_ae': aet };
    await withSpan('dimse-ingest', 'dimse.pull', { attributes, traceparent }, async (span) => {
      const attempt = await this.workOffPull.execute(claim, this.background.signal);
      span.setAttribute('callosum.outcome', attempt.end);
      if (attempt.end === 'delayed')
        this.log.warn({ pull, aet, code: attempt.code, pauseMs: attempt.pauseMs }, 'pull.delayed');
      if (attempt.end === 'ended' || attempt.end === 'failed') await this.ended(pull);
    });
    // Another pull of the same source may go on.
    this.waker.wake();
  }

  private async ended(id: string): Promise<void> {
    const view = await this.pulls.find(id);
    if (!view) return;
    const { source: aet, state, found, received, failed, errorCode: code } = view;
    count('callosum.pulls', 1, { 'callosum.outcome': state });
    this.log.info({ pull: id, aet, state, found, received, failed, code }, 'pull.ended');
  }
}
