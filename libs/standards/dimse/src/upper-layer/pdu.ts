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

/** Type, a reserved byte, and the length of the rest (32 bit, big endian). */
export const pduHeaderBytes = 6;
/** Length, presentation context id and message control header of a presentation data value, PS3.8 section 9.3.5.1. */
export const pdvHeaderBytes = 6;

/** Bits of the message control header, PS3.8 annex E.2. */
export const Control = Object.freeze({ Command: 1, Last: 2 });

/** A PDU of any type with its body. */
export function pdu(type: number, body: Uint8Array): Buffer {
  const bytes = Buffer.alloc(pduHeaderBytes + body.length);
  bytes.writeUInt8(type, 0);
  bytes.writeUInt32BE(body.length, 2);
  bytes.set(body, pduHeaderBytes);
  return bytes;
}

/** A-ABORT from the service provider (source 2). */
export function abortPdu(reason: number): Buffer {
  return pdu(PduType.Abort, Uint8Array.of(0, 0, 2, reason));
}

/** A-ASSOCIATE-RJ, PS3.8 table 9-21. */
export function rejectPdu({ result, source, reason }: { result: number; source: number; reason: number }): Buffer {
  return pdu(PduType.AssociateRj, Uint8Array.of(0, result, source, reason));
}

export const releaseRqPdu = (): Buffer => pdu(PduType.ReleaseRq, new Uint8Array(4));
export const releaseRpPdu = (): Buffer => pdu(PduType.ReleaseRp, new Uint8Array(4));

/** Headers of a P-DATA-TF with one presentation data value of `valueBytes`; the value follows them on the wire. */
export function pDataHeader(contextId: number, control: number, valueBytes: number): Buffer {
  const header = Buffer.allocUnsafe(pduHeaderBytes + pdvHeaderBytes);
  header.writeUInt16BE(PduType.PData << 8, 0);
  header.writeUInt32BE(valueBytes + pdvHeaderBytes, 2);
  header.writeUInt32BE(valueBytes + 2, 6);
  header.writeUInt8(contextId, 10);
  header.writeUInt8(control, 11);
  return header;
}
