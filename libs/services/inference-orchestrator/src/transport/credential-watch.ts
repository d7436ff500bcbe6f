import { setTimeout as sleep } from 'node:timers/promises';

import type { Logger } from '@callosum/telemetry';

import type { Credentials } from '../application/credential-ports.js';

/** A revoked credential's calls end within this time and one query, whichever replica they are at. */
const lookEveryMs = 1_000;

/** Ends running calls whose credential is revoked or has expired. Looks only while there are any. */
export class CredentialWatch {
  readonly #running = new Map<AbortController, string>();
  #looking = false;

  constructor(
    private readonly credentials: Pick<Credentials, 'ended'>,
    private readonly log: Logger,
  ) {}

  /** @returns a signal that aborts when the credential ends, and what to call when the call has ended by itself */
  follow(credentialId: string): { readonly ended: AbortSignal; readonly forget: () => void } {
    const controller = new AbortController();
    this.#running.set(controller, credentialId);
    if (!this.#looking) void this.#look();
    return { ended: controller.signal, forget: () => this.#running.delete(controller) };
  }

  async #look(): Promise<void> {
    this.#looking = true;
    while (this.#running.size > 0) {
      // A call that ends meanwhile must not keep a stopping process.
      await sleep(lookEveryMs, undefined, { ref: false });
      try {
        const ended = new Set(await this.credentials.ended([...new Set(this.#running.values())]));
        for (const [controller, id] of this.#running) if (ended.has(id)) this.#end(controller, id);
      } catch (err) {
        // Without the database no job can be claimed or ended either.
        if (this.#running.size > 0) this.log.warn({ err }, 'credential.watch-failed');
      }
    }
    this.#looking = false;
  }

  #end(controller: AbortController, credential: string): void {
    this.#running.delete(controller);
    this.log.warn({ credential }, 'credential.ended-a-call');
    controller.abort();
  }
}
