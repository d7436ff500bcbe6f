import { setTimeout as sleep } from 'node:timers/promises';

import type { Waker } from '@callosum/event-log';
import { LOGGER, SETTINGS } from '@callosum/runtime';
import { type Logger, withSpan } from '@callosum/telemetry';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';

import type { AskedCommitments, ClaimedRequestor, Commitments } from '../application/commitment-ports.js';
import { claimLeaseMs, ReportCommitments } from '../application/report-commitments.js';
import { requestorOf } from '../domain/commitment-requestor.js';
import type { DimseIngestSettings } from '../settings.js';
import { ASKED_COMMITMENTS, COMMITMENT_WAKER, COMMITMENTS } from '../tokens.js';
import { Background } from './background.js';
import { tellGivenUp, tellReport } from './tell-commitment.js';

/**
 * Requestors called at once by one replica, each by one worker. One that is dead costs its worker ten seconds, one that
 * takes a report and says nothing half a minute, and then a pause of its own.
 */
const requestorsMax = 16;
/** What another replica took, and pauses that are over, are seen within this time. */
const pollMs = 2_000;
const pauseAfterErrorMs = 2_000;
const upkeepEveryMs = 60_000;

/** Reports commitments on associations of ours. What is due stands in rows: a process that dies forgets nothing. */
@Injectable()
export class CommitmentReportsLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly background: Background;
  private readonly reporting = new Set<Promise<void>>();

  constructor(
    @Inject(COMMITMENTS) private readonly commitments: Commitments,
    @Inject(ASKED_COMMITMENTS) private readonly asked: AskedCommitments,
    @Inject(ReportCommitments) private readonly reports: ReportCommitments,
    @Inject(COMMITMENT_WAKER) waker: Waker,
    @Inject(SETTINGS) private readonly settings: DimseIngestSettings,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.background = new Background((err) => log.error({ err }, 'commitment.loop-failed'), waker);
  }

  onApplicationBootstrap(): void {
    this.background.loop(pollMs, () => this.work());
    this.background.every(upkeepEveryMs, () => this.upkeep());
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.background.end();
  }

  /** Gives up what has waited too long, and forgets what ended long ago; any replica may. */
  async upkeep(): Promise<void> {
    const { CALLOSUM_COMMITMENT_REPORT_HOURS: hours, CALLOSUM_COMMITMENT_RETENTION_DAYS: days } = this.settings;
    for (const one of await this.commitments.giveUp(hours * 3_600_000)) tellGivenUp(this.log, one);
    await this.commitments.forget(days);
    await this.asked.forget(days);
  }

  private async work(): Promise<boolean> {
    const claim = await this.commitments.claim(claimLeaseMs);
    if (!claim) return false;
    const one = this.background.start(() => this.reported(claim)).finally(() => this.reporting.delete(one));
    this.reporting.add(one);
    if (this.reporting.size >= requestorsMax) await Promise.race(this.reporting);
    return true;
  }

  private async reported(claim: ClaimedRequestor): Promise<void> {
    try {
      await this.report(claim);
    } catch (err) {
      this.log.error({ err }, 'commitment.loop-failed');
      await sleep(pauseAfterErrorMs, undefined, { signal: this.background.signal }).catch(() => undefined);
    }
  }

  private report(claim: ClaimedRequestor): Promise<void> {
    const attributes = { 'dicom.calling_ae': requestorOf(claim.aet).aet, 'dicom.operation': 'N-EVENT-REPORT' };
    return withSpan('dimse-ingest', 'dimse.commitment-reports', { attributes }, async (span) => {
      const failure = await this.reports.toRequestor(claim, (outcome) => tellReport(this.log, outcome, 'new'));
      span.setAttribute('callosum.outcome', failure === undefined ? 'reported' : 'delayed');
    });
  }
}
