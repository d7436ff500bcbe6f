import { ProtocolError } from './errors.js';
import { AbortReason } from './pdu.js';
import type { AssociationRejection } from './scp.js';

const ItemType = Object.freeze({ ApplicationContext: 0x10, PresentationContext: 0x20 });
/** PDU header, version, reserved, called and calling AE title, reserved: PS3.8 table 9-11. */
const fixedBytes = 74;
const dicomApplicationContext = '1.2.840.10008.3.1.1.1';
const applicationContextNotSupported: AssociationRejection = Object.freeze({ result: 1, source: 1, reason: 2 });
const protocolVersionNotSupported: AssociationRejection = Object.freeze({ result: 1, source: 2, reason: 2 });

export interface AssociateRq {
  /** The PDU with its presentation contexts in the order of their ids. */
  readonly pdu: Buffer;
  /** Set when the request cannot be for us, whoever asks. */
  readonly rejection?: AssociationRejection;
}

/**
 * Looks at an A-ASSOCIATE-RQ before the library does, which checks neither version nor application context, and
 * renumbers a presentation context whose id is lower than one before it, so that its transfer syntaxes belong to none
 * and the whole association fails. The standard asks for odd, unique ids, not for an order.
 * @throws {ProtocolError} items that do not fit the PDU, or one id twice
 */
export function readAssociateRq(pdu: Buffer): AssociateRq {
  if (pdu.length < fixedBytes) throw malformed('it is too short');
  if ((pdu.readUInt16BE(6) & 1) === 0) return { pdu, rejection: protocolVersionNotSupported };
  const contexts: { id: number; item: Buffer }[] = [];
  const others: Buffer[] = [];
  for (let offset = fixedBytes; offset < pdu.length;) {
    const end = offset + 4 <= pdu.length ? offset + 4 + pdu.readUInt16BE(offset + 2) : Infinity;
    if (end > pdu.length) throw malformed('an item does not fit');
    const item = pdu.subarray(offset, end);
    const type = item.readUInt8(0);
    if (type === ItemType.PresentationContext) {
      if (item.length < 8) throw malformed('a presentation context is too short');
      contexts.push({ id: item.readUInt8(4), item });
    } else {
      others.push(item);
      const name = item.toString('latin1', 4).replace(/[\0 ]+$/, '');
      if (type === ItemType.ApplicationContext && name !== dicomApplicationContext)
        return { pdu, rejection: applicationContextNotSupported };
    }
    offset = end;
  }
  if (new Set(contexts.map(({ id }) => id)).size < contexts.length)
    throw malformed('a presentation context id stands twice');
  contexts.sort((a, b) => a.id - b.id);
  return { pdu: Buffer.concat([pdu.subarray(0, fixedBytes), ...contexts.map(({ item }) => item), ...others]) };
}

function malformed(why: string): ProtocolError {
  return new ProtocolError(
    'malformed-associate-rq',
    `the association request cannot be read: ${why}`,
    AbortReason.InvalidParameterValue,
  );
}
