import { setTimeout as sleep } from 'node:timers/promises';

import { LOGGER } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';

import { type StudyTexts, writeTexts } from '../application/study-texts.js';
import { STUDY_TEXTS } from '../tokens.js';

/** How often it is looked whether a replica of the version before left a text to be written, in milliseconds. */
const everyMs = 60_000;
/** Between two portions, in milliseconds: whoever indexes and searches goes first. */
const pauseMs = 20;

/**
 * Writes the texts of studies that this version did not index: all of them after an upgrade, and what a replica of the
 * version before indexes beside this one. Until few are left to be written searches do without texts.
 */
@Injectable()
export class StudyTextLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(
    @Inject(STUDY_TEXTS) private readonly texts: StudyTexts,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.running = this.run();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        const studies = await writeTexts(this.texts, () => this.pause(pauseMs), signal);
        if (studies > 0) this.log.info({ studies }, 'study-text.written');
      } catch (err) {
        this.log.error({ err }, 'study-text.failed');
      }
      await this.pause(everyMs);
    }
  }

  /** Ends with the service. */
  private pause(ms: number): Promise<void> {
    return sleep(ms, undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }
}
