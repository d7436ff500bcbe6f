import { LOGGER } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnModuleInit } from '@nestjs/common';

import type { EntityDirectory } from '../application/entity-ports.js';
import { ENTITY_DIRECTORY } from '../tokens.js';

/** What another replica changed holds here within this time and one query of one row. */
const everyMs = 1_500;

/** Looks for changes of AEs. They are known before the DIMSE ports open: modules are initialized before that. */
@Injectable()
export class EntityDirectoryLoop implements OnModuleInit, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private failing = false;

  constructor(
    @Inject(ENTITY_DIRECTORY) private readonly directory: EntityDirectory,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.directory.refresh();
    // One at a time: a slow database gets no second query behind the first.
    this.timer = setInterval(
      () => void (this.looking ??= this.look().finally(() => (this.looking = undefined))),
      everyMs,
    );
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
  }

  private async look(): Promise<void> {
    try {
      await this.directory.refresh();
      this.failing = false;
    } catch (err) {
      // Once an outage, not once a look.
      if (!this.failing) this.log.warn({ err }, 'ae.list-failed');
      this.failing = true;
    }
  }
}
