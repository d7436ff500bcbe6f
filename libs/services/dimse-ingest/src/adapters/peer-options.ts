import type { ScuOptions } from '@callosum/dimse';

import type { CallableEntity } from '../domain/application-entity.js';

/** How we call another node: the one place that knows our title, certificates and limits as a requestor. */
export class PeerOptions {
  /** @param callingAet ours */
  constructor(private readonly callingAet: string) {}

  of(entity: CallableEntity): ScuOptions {
    return { host: entity.host, port: entity.port, calledAet: entity.aet, callingAet: this.callingAet };
  }
}
