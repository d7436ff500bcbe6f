import { ProtocolError } from './errors.js';

/** PDU types, PS3.8 section 9.3. */
export const PduType = Object.freeze({
  AssociateRq: 0x01,
  AssociateAc: 0x02,
  AssociateRj: 0x03,
  PData: 0x04,
  ReleaseRq: 0x05,
  ReleaseRp: 0x06,
  Abort: 0x07,
});

/** Reasons of an A-ABORT sent by the service provider, PS3.8 table 9-26. */
export const AbortReason = Object.freeze({
  NotSpecified: 0,
  UnrecognizedPdu: 1,
  UnexpectedPdu: 2,
  InvalidParameterValue: 6,
});

const headerBytes = 6;

/** A-ABORT from the service provider (source 2). */
export function abortPdu(reason: number): Buffer {
  return Buffer.from([PduType.Abort, 0, 0, 0, 0, 4, 0, 0, 2, reason]);
}

/**
 * Whole PDUs out of a stream of bytes, each one contiguous. Looks at type and declared length before it keeps
 * anything, so a peer can never make us hold more than one PDU of `pduBytesMax` and one chunk. The library has no
 * such limit and copies all it has on every chunk (48 MB declared: 18.6 s); it gets whole PDUs only.
 * @throws {ProtocolError} unknown type, or a declared length over `pduBytesMax`
 */
export async function* readPdus(chunks: AsyncIterable<Buffer>, pduBytesMax: number): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let neededBytes = headerBytes;
  for await (const chunk of chunks) {
    held.push(chunk);
    heldBytes += chunk.length;
    if (heldBytes < neededBytes) continue;
    const bytes = held.length === 1 ? chunk : Buffer.concat(held, heldBytes);
    let offset = 0;
    for (;;) {
      const availableBytes = bytes.length - offset;
      neededBytes = availableBytes < headerBytes ? headerBytes : pduBytes(bytes, offset, pduBytesMax);
      if (availableBytes < neededBytes) break;
      yield bytes.subarray(offset, offset + neededBytes);
      offset += neededBytes;
    }
    held = offset < bytes.length ? [bytes.subarray(offset)] : [];
    heldBytes = bytes.length - offset;
  }
}

function pduBytes(bytes: Buffer, offset: number, pduBytesMax: number): number {
  const type = bytes.readUInt8(offset);
  if (type < PduType.AssociateRq || type > PduType.Abort) {
    throw new ProtocolError('unrecognized-pdu', `PDU type ${type} does not exist`, AbortReason.UnrecognizedPdu);
  }
  const length = bytes.readUInt32BE(offset + 2);
  if (length > pduBytesMax) {
    const message = `a PDU of ${length} bytes was declared, at most ${pduBytesMax} are accepted`;
    throw new ProtocolError('pdu-too-long', message, AbortReason.InvalidParameterValue);
  }
  return headerBytes + length;
}

export interface Pdv {
  /** A P-DATA-TF PDU that holds this one presentation data value. */
  readonly pdu: Buffer;
  readonly contextId: number;
  /** Part of a command set, not of a dataset. */
  readonly command: boolean;
  readonly last: boolean;
  readonly valueBytes: number;
}

const pdvHeaderBytes = 6;

/**
 * The presentation data values of a P-DATA-TF, each as a PDU of its own (PS3.8 section 9.3.5): the library goes on
 * with the next value while it still waits for the stream of the one before.
 * @throws {ProtocolError} a value that does not fit its PDU
 */
export function splitPdvs(pdu: Buffer): Pdv[] {
  const pdvs: Pdv[] = [];
  let offset = headerBytes;
  while (offset < pdu.length) {
    const itemBytes = offset + pdvHeaderBytes <= pdu.length ? pdu.readUInt32BE(offset) : 0;
    const end = offset + 4 + itemBytes;
    if (itemBytes < 2 || end > pdu.length) {
      throw new ProtocolError(
        'malformed-pdv',
        'a presentation data value does not fit its PDU',
        AbortReason.InvalidParameterValue,
      );
    }
    const control = pdu.readUInt8(offset + 5);
    const alone = offset === headerBytes && end === pdu.length;
    pdvs.push({
      pdu: alone ? pdu : pDataPdu(pdu.subarray(offset, end)),
      contextId: pdu.readUInt8(offset + 4),
      command: (control & 1) !== 0,
      last: (control & 2) !== 0,
      valueBytes: itemBytes - 2,
    });
    offset = end;
  }
  return pdvs;
}

function pDataPdu(item: Buffer): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt8(PduType.PData, 0);
  header.writeUInt32BE(item.length, 2);
  return Buffer.concat([header, item]);
}

/** Header of a P-DATA-TF with one dataset fragment of `valueBytes`; the fragment follows it on the wire. */
export function fragmentHeader(contextId: number, valueBytes: number, last: boolean): Buffer {
  const header = Buffer.alloc(headerBytes + pdvHeaderBytes);
  header.writeUInt8(PduType.PData, 0);
  header.writeUInt32BE(valueBytes + pdvHeaderBytes, 2);
  header.writeUInt32BE(valueBytes + 2, 6);
  header.writeUInt8(contextId, 10);
  header.writeUInt8(last ? 2 : 0, 11);
  return header;
}

/**
 * The library takes any PDU in any state: a second request would replace the association. PS3.8 table 9-10.
 * @throws {ProtocolError} a type whose turn it is not
 */
export function assertExpected(type: number, established: boolean): void {
  const expected =
    type === PduType.Abort ||
    (established ? type === PduType.PData || type === PduType.ReleaseRq : type === PduType.AssociateRq);
  if (!expected) {
    throw new ProtocolError('unexpected-pdu', `PDU type ${type} out of turn`, AbortReason.UnexpectedPdu);
  }
}
