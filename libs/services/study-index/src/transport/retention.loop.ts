import type { Clock } from '@callosum/kernel';
import { CLOCK, LOGGER, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';

import { letGoDueStudies, type RetentionArchive, type RetentionStore } from '../application/keep-or-let-go.js';
import { erasureGraceMs } from '../settings-tombstones.js';
import type { StudyIndexSettings } from '../settings.js';
import { RETENTION, TOMBSTONES } from '../tokens.js';

/** Retention counts in days; a backlog of the first time is worked off in turns of this pause. */
const everyMs = 60_000;

/** Lets go what was kept for long enough. The turns are rows: several replicas share them, and none is forgotten. */
@Injectable()
export class RetentionLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    @Inject(RETENTION) private readonly store: RetentionStore,
    @Inject(TOMBSTONES) private readonly archive: RetentionArchive,
    @Inject(SETTINGS) private readonly settings: StudyIndexSettings,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    // Everything is kept unless the site says for how long.
    if (Object.keys(this.settings.CALLOSUM_RETENTION_DAYS).length > 0) this.schedule();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  private schedule(): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.running = this.turn();
    }, everyMs);
  }

  private async turn(): Promise<void> {
    try {
      await letGoDueStudies(
        this.store,
        this.archive,
        this.clock,
        { days: this.settings.CALLOSUM_RETENTION_DAYS, eraseAfterMs: erasureGraceMs(this.settings) },
        (study, instances) => this.log.info({ study, instances }, 'study.let-go'),
      );
    } catch (err) {
      this.log.error({ err }, 'retention.failed');
    }
    this.schedule();
  }
}
