import { setTimeout as sleep } from 'node:timers/promises';

import type { PlannedStudy } from './planned-study.js';
import { between, type Random } from './random.js';
import type { Sender } from './send.js';

/** Between the transfers of one study: some come before it is complete, some after its report. */
const laterMsMin = 500;
const laterMsMax = 8_000;

/** Several modalities at work: each sends one study after the other until it is told to stop. */
export class Traffic {
  readonly sent: PlannedStudy[] = [];
  readonly #working: Promise<void>[] = [];
  #stopped = false;

  constructor(
    private readonly sender: Sender,
    private readonly next: () => readonly PlannedStudy[],
    private readonly random: Random,
    /** Studies a second, of all modalities together. */
    private readonly rate: number,
  ) {}

  start(modalities: number): void {
    for (let i = 0; i < modalities; i++) this.#working.push(this.#work((1000 * modalities) / this.rate));
  }

  /** Takes no new study, and resolves when those begun are acknowledged whole. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#working);
  }

  async #work(everyMs: number): Promise<void> {
    while (!this.#stopped) {
      const due = Date.now() + everyMs;
      for (const study of this.next()) {
        this.sent.push(study);
        await this.#send(study);
      }
      await sleep(Math.max(0, due - Date.now()));
    }
  }

  async #send({ transfers, by }: PlannedStudy): Promise<void> {
    for (const [index, instances] of transfers.entries()) {
      if (index > 0) await sleep(between(this.random, laterMsMin, laterMsMax));
      await this.sender.send(instances, by);
    }
  }
}
