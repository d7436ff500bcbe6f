import { LOGGER, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';

import type { AwaitedRejections } from '../application/judge-rejected.js';
import type { StudyIndexSettings } from '../settings.js';
import { AWAITED_REJECTIONS } from '../tokens.js';

const everyMs = 3_600_000;

/** Forgets, once an hour, for whose patient's notes took what never came; any replica may. */
@Injectable()
export class AwaitedRejectionsLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(
    @Inject(AWAITED_REJECTIONS) private readonly awaited: Pick<AwaitedRejections, 'forgetOld'>,
    @Inject(SETTINGS) private readonly settings: StudyIndexSettings,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.running = this.forget();
    }, everyMs);
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  private async forget(): Promise<void> {
    try {
      await this.awaited.forgetOld(this.settings.CALLOSUM_REJECTION_AWAITS_DAYS);
    } catch (err) {
      this.log.error({ err }, 'rejection-note.not-forgotten');
    }
  }
}
