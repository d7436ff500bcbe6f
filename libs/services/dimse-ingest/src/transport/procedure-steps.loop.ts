import { LOGGER, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';

import type { ProcedureSteps } from '../application/ports.js';
import type { DimseIngestSettings } from '../settings.js';
import { PROCEDURE_STEPS } from '../tokens.js';
import { Background } from './background.js';

const everyMs = 3_600_000;

/** Forgets procedure steps past their retention, once an hour; any replica may. */
@Injectable()
export class ProcedureStepsLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly background: Background;

  constructor(
    @Inject(PROCEDURE_STEPS) private readonly steps: ProcedureSteps,
    @Inject(SETTINGS) private readonly settings: DimseIngestSettings,
    @Inject(LOGGER) log: Logger,
  ) {
    this.background = new Background((err) => log.error({ err }, 'procedure-step.not-forgotten'));
  }

  onApplicationBootstrap(): void {
    this.background.every(everyMs, async () => {
      await this.steps.forget(this.settings.CALLOSUM_PROCEDURE_STEP_RETENTION_DAYS);
    });
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.background.end();
  }
}
