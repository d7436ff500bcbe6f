import { Control, pDataHeader } from '../upper-layer/pdu.js';
import type { Transport } from '../upper-layer/transport.js';
import { type CommandSet, encodeCommandSet } from './command-set.js';
import { type Fragment, fragmentsOf } from './fragments.js';

/** Sends messages whole, one after the other: fragments of two messages never mix (PS3.8 annex E.2). */
export class MessageWriter {
  #busy = false;
  readonly #waiting: (() => void)[] = [];

  constructor(
    private readonly transport: Transport,
    /** Longest value of one P-DATA-TF. */
    readonly fragmentBytes: number,
    /** A peer that takes nothing for this long is late. */
    private readonly stallMs: number,
  ) {}

  /**
   * Resolves when the peer has room for more; what it did not take is in the socket's buffer then, at most one PDU.
   * @param dataset encoded whole, or fragments; `command.hasDataset` must say so
   * @throws what the fragments throw: then a message has begun that cannot be ended, and the association has to
   */
  async send(contextId: number, command: CommandSet, dataset?: Buffer | AsyncIterable<Fragment>): Promise<void> {
    if (this.#busy) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#busy = true;
    try {
      // The command goes with the first fragment in one write.
      let pending = this.#commandParts(contextId, command);
      const fragments = Buffer.isBuffer(dataset) ? fragmentsOf([dataset], this.fragmentBytes) : (dataset ?? []);
      for await (const { pieces, bytes, last } of fragments) {
        if (!this.transport.open) return;
        const header = pDataHeader(contextId, last ? Control.Last : 0, bytes);
        if (!this.transport.write(...pending, header, ...pieces)) await this.#drained();
        pending = [];
      }
      if (pending.length > 0) this.transport.write(...pending);
      await this.#drained();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#busy = false;
    }
  }

  #commandParts(contextId: number, command: CommandSet): Buffer[] {
    const bytes = encodeCommandSet(command);
    const parts: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += this.fragmentBytes) {
      const value = bytes.subarray(at, at + this.fragmentBytes);
      const last = at + this.fragmentBytes >= bytes.length;
      const header = pDataHeader(contextId, Control.Command | (last ? Control.Last : 0), value.length);
      // One small piece costs less than two in a gathered write.
      parts.push(Buffer.concat([header, value]));
    }
    return parts;
  }

  #drained(): Promise<void> {
    return this.transport.drained(this.stallMs, 'dimse.stalled');
  }
}
