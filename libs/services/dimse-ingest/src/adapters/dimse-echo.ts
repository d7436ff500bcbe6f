import { echo, isStored, statusText } from '@callosum/dimse';
import { CallosumError } from '@callosum/kernel';

import type { EchoOutcome, EchoPeer } from '../application/entity-ports.js';
import type { CallableEntity } from '../domain/application-entity.js';
import type { PeerOptions } from './peer-options.js';

/** Somebody waits at a screen. */
const timeouts = { associateMs: 10_000, responseMs: 10_000 };

/** C-ECHO over the network. */
export class DimseEcho implements EchoPeer {
  constructor(private readonly peers: PeerOptions) {}

  async echo(entity: CallableEntity): Promise<EchoOutcome> {
    const startedAt = performance.now();
    const seconds = (): number => Number(((performance.now() - startedAt) / 1000).toFixed(4));
    try {
      const { status } = await echo({ ...this.peers.of(entity), timeouts });
      return { ok: isStored(status), seconds: seconds(), status: statusText(status) };
    } catch (error) {
      if (!(error instanceof CallosumError)) throw error;
      return { ok: false, seconds: seconds(), code: error.code, detail: `${error.message}${systemCode(error)}` };
    }
  }
}

/** "ECONNREFUSED", "CERT_HAS_EXPIRED": what a person looks for. Its words may quote the peer's certificate. */
function systemCode({ cause }: CallosumError): string {
  const code = (cause as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' && /^[A-Z0-9_]{2,60}$/.test(code) ? ` (${code})` : '';
}
