import { ProtocolError } from '../errors.js';
import { AbortReason, Control, pduHeaderBytes, PduType, pdvHeaderBytes } from './pdu.js';

export interface PduLimits {
  /** Longest P-DATA-TF. */
  readonly pduBytesMax: number;
  /** Longest A-ASSOCIATE-RQ or -AC. */
  readonly associateBytesMax: number;
}

/** Who gets what a peer sends, in its order. Both may throw a ProtocolError. */
export interface PduSink {
  /** A whole PDU other than P-DATA-TF, without its header. */
  pdu(type: number, body: Buffer): void;
  /** The next bytes of a presentation data value, as they lie in what the socket gave; `end` with its last ones. */
  value(contextId: number, control: number, bytes: Buffer, end: boolean): void;
}

/** A-RELEASE, A-ABORT and A-ASSOCIATE-RJ are four bytes, PS3.8 sections 9.3.4 and 9.3.6 to 9.3.8. */
const shortBodyBytes = 4;
const nothing = Buffer.alloc(0);

/**
 * PDUs out of the pieces a socket gives. Looks at type and declared length before it keeps anything, and never keeps
 * a P-DATA-TF: the bytes of its values go on as they come, without a copy, whatever length the peer chose for them.
 */
export class PduParser {
  #chunk: Buffer = nothing;
  #offset = 0;
  /** A header, or a body that is no P-DATA-TF, of which some came. */
  #partial: Buffer | undefined;
  #partialBytes = 0;
  #type: number | undefined;
  #bodyBytes = 0;
  /** What is left of the P-DATA-TF, and of its present value. */
  #dataBytes = 0;
  #valueBytes = 0;
  #contextId = 0;
  #control = 0;
  #inValue = false;
  #pduCount = 0;

  constructor(
    private readonly sink: PduSink,
    private readonly limits: PduLimits,
  ) {}

  /** PDUs that came whole. */
  get pduCount(): number {
    return this.#pduCount;
  }

  /** False inside a PDU. */
  get atBoundary(): boolean {
    return this.#type === undefined && this.#partial === undefined && this.#offset === this.#chunk.length;
  }

  /** True while there is something left to look at. */
  get hasBytes(): boolean {
    return this.#offset < this.#chunk.length;
  }

  /** Type of the PDU that comes or is under way; undefined while nothing of it is there. */
  get nextType(): number | undefined {
    return this.#type ?? (this.#partial ?? this.#chunk.subarray(this.#offset))[0];
  }

  /** Takes the next piece; the one before must have been parsed to its end. */
  push(chunk: Buffer): void {
    this.#chunk = this.hasBytes ? Buffer.concat([this.#chunk.subarray(this.#offset), chunk]) : chunk;
    this.#offset = 0;
  }

  /**
   * Goes on to the next header, body or value.
   * @returns false when more bytes are needed
   * @throws {ProtocolError} unknown type, a declared length over its limit, a value that does not fit its PDU
   */
  step(): boolean {
    if (this.#inValue) return this.#value();
    if (this.#type === undefined) return this.#header();
    if (this.#type === PduType.PData) return this.#valueHeader();
    const body = this.#take(this.#bodyBytes);
    if (!body) return false;
    const type = this.#type;
    this.#whole();
    this.sink.pdu(type, body);
    return true;
  }

  #header(): boolean {
    const header = this.#take(pduHeaderBytes);
    if (!header) return false;
    const type = header.readUInt8(0);
    const bodyBytes = header.readUInt32BE(2);
    if (type < PduType.AssociateRq || type > PduType.Abort)
      throw new ProtocolError('unrecognized-pdu', `PDU type ${type} does not exist`, AbortReason.UnrecognizedPdu);
    const most = this.#most(type);
    if (bodyBytes > most) {
      const message = `a PDU of ${bodyBytes} bytes was declared, at most ${most} are accepted`;
      throw new ProtocolError('pdu-too-long', message, AbortReason.InvalidParameterValue);
    }
    if (type === PduType.PData ? bodyBytes < pdvHeaderBytes : bodyBytes < shortBodyBytes)
      throw new ProtocolError('malformed-pdu', `a PDU of type ${type} is too short`, AbortReason.InvalidParameterValue);
    this.#type = type;
    this.#bodyBytes = bodyBytes;
    this.#dataBytes = bodyBytes;
    return true;
  }

  #most(type: number): number {
    if (type === PduType.PData) return this.limits.pduBytesMax;
    const isAssociate = type === PduType.AssociateRq || type === PduType.AssociateAc;
    return isAssociate ? this.limits.associateBytesMax : shortBodyBytes;
  }

  #valueHeader(): boolean {
    if (this.#dataBytes < pdvHeaderBytes) throw malformedPdv();
    const header = this.#take(pdvHeaderBytes);
    if (!header) return false;
    const itemBytes = header.readUInt32BE(0);
    this.#valueBytes = itemBytes - 2;
    this.#contextId = header.readUInt8(4);
    this.#control = header.readUInt8(5) & (Control.Command | Control.Last);
    this.#dataBytes -= pdvHeaderBytes;
    if (itemBytes < 2 || this.#valueBytes > this.#dataBytes) throw malformedPdv();
    this.#inValue = true;
    return true;
  }

  #value(): boolean {
    const available = this.#chunk.length - this.#offset;
    if (available === 0 && this.#valueBytes > 0) return false;
    const bytes = Math.min(available, this.#valueBytes);
    const value = bytes === 0 ? nothing : this.#chunk.subarray(this.#offset, this.#offset + bytes);
    this.#offset += bytes;
    this.#valueBytes -= bytes;
    this.#dataBytes -= bytes;
    const end = this.#valueBytes === 0;
    if (end) {
      this.#inValue = false;
      if (this.#dataBytes === 0) this.#whole();
    }
    this.sink.value(this.#contextId, this.#control, value, end);
    return true;
  }

  #whole(): void {
    this.#type = undefined;
    this.#pduCount++;
  }

  /** The next `bytes` in one piece: copied only where they lie across two pieces of the socket's. */
  #take(bytes: number): Buffer | undefined {
    const available = this.#chunk.length - this.#offset;
    if (!this.#partial) {
      if (available >= bytes) {
        this.#offset += bytes;
        return this.#chunk.subarray(this.#offset - bytes, this.#offset);
      }
      if (available === 0) return undefined;
      this.#partial = Buffer.allocUnsafe(bytes);
      this.#partialBytes = 0;
    }
    const count = Math.min(bytes - this.#partialBytes, available);
    this.#chunk.copy(this.#partial, this.#partialBytes, this.#offset, this.#offset + count);
    this.#offset += count;
    this.#partialBytes += count;
    if (this.#partialBytes < bytes) return undefined;
    const taken = this.#partial;
    this.#partial = undefined;
    return taken;
  }
}

function malformedPdv(): ProtocolError {
  const message = 'a presentation data value does not fit its PDU';
  return new ProtocolError('malformed-pdv', message, AbortReason.InvalidParameterValue);
}
