import { LOGGER, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';

import type { ProcedureSteps } from '../application/ports.js';
import type { DimseIngestSettings } from '../settings.js';
import { PROCEDURE_STEPS } from '../tokens.js';

const everyMs = 3_600_000;

/** Forgets procedure steps past their retention, once an hour; any replica may. */
@Injectable()
export class ProcedureStepsLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(
    @Inject(PROCEDURE_STEPS) private readonly steps: ProcedureSteps,
    @Inject(SETTINGS) private readonly settings: DimseIngestSettings,
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
      await this.steps.forget(this.settings.CALLOSUM_PROCEDURE_STEP_RETENTION_DAYS);
    } catch (err) {
      this.log.error({ err }, 'procedure-step.not-forgotten');
    }
  }
}
