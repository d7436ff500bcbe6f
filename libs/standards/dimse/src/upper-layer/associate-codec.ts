import {
  type AnsweredPresentationContext,
  type AssociateAc,
  type AssociateRq,
  contextsMax,
  type ProposedPresentationContext,
  type UserInformation,
} from './associate.js';
import { item, ItemReader, malformedAssociate, textOf, uint16 } from './item-reader.js';
import { pdu, PduType } from './pdu.js';
import { decodeUserInformation, encodeUserInformation } from './user-information.js';

/** Items of A-ASSOCIATE-RQ and -AC, PS3.8 sections 9.3.2 and 9.3.3. */
const Item = Object.freeze({
  ApplicationContext: 0x10,
  ProposedContext: 0x20,
  AnsweredContext: 0x21,
  AbstractSyntax: 0x30,
  TransferSyntax: 0x40,
  UserInformation: 0x50,
});
const aetBytes = 16;
const reservedBytes = 32;
/** What counts of a body before its items are looked at: version, reserved, two titles, reserved. */
const fixedBytes = 4 + 2 * aetBytes + reservedBytes;

type Associate = Omit<AssociateRq, 'contexts'>;
interface Decoded extends Associate {
  readonly contextItems: readonly Buffer[];
}

/** @throws {RangeError} a title over 16 characters, or what does not fit its item */
export function encodeAssociateRq(request: AssociateRq): Buffer {
  const contexts = request.contexts.map(({ id, abstractSyntaxUid, transferSyntaxUids }) =>
    item(
      Item.ProposedContext,
      Uint8Array.of(id, 0, 0, 0),
      uidItem(Item.AbstractSyntax, abstractSyntaxUid),
      ...transferSyntaxUids.map((uid) => uidItem(Item.TransferSyntax, uid)),
    ),
  );
  return encode(PduType.AssociateRq, request, contexts);
}

/** @throws {RangeError} a title over 16 characters, or what does not fit its item */
export function encodeAssociateAc(accept: AssociateAc): Buffer {
  const contexts = accept.contexts.map(({ id, result, transferSyntaxUid }) =>
    item(Item.AnsweredContext, Uint8Array.of(id, 0, result, 0), uidItem(Item.TransferSyntax, transferSyntaxUid)),
  );
  return encode(PduType.AssociateAc, accept, contexts);
}

/**
 * @param body of the PDU, without its header
 * @param userInformationBytesMax longest user information; its length is of 16 bits
 * @throws {ProtocolError} items that do not fit; context ids that are even, stand twice, or are more than 128
 */
export function decodeAssociateRq(body: Buffer, userInformationBytesMax = 0xffff): AssociateRq {
  const { contextItems, ...request } = decode(body, Item.ProposedContext, userInformationBytesMax);
  const contexts = contextItems.map(proposedContext);
  assertIds(contexts);
  return { ...request, contexts };
}

/** @throws {ProtocolError} as decodeAssociateRq */
export function decodeAssociateAc(body: Buffer, userInformationBytesMax = 0xffff): AssociateAc {
  const { contextItems, ...accept } = decode(body, Item.AnsweredContext, userInformationBytesMax);
  const contexts = contextItems.map(answeredContext);
  assertIds(contexts);
  return { ...accept, contexts };
}

function encode(type: number, associate: Associate, contexts: readonly Buffer[]): Buffer {
  const { protocolVersion, calledAet, callingAet, applicationContextUid, user } = associate;
  return pdu(
    type,
    Buffer.concat([
      uint16(protocolVersion),
      uint16(0),
      aetField(calledAet),
      aetField(callingAet),
      Buffer.alloc(reservedBytes),
      uidItem(Item.ApplicationContext, applicationContextUid),
      ...contexts,
      item(Item.UserInformation, encodeUserInformation(user)),
    ]),
  );
}

function decode(body: Buffer, contextType: number, userInformationBytesMax: number): Decoded {
  if (body.length < fixedBytes) throw malformedAssociate('it is too short');
  const fields = new ItemReader(body);
  const protocolVersion = fields.uint16();
  fields.take(2);
  const calledAet = fields.text(aetBytes);
  const callingAet = fields.text(aetBytes);
  fields.take(reservedBytes);
  let applicationContextUid = '';
  let user: UserInformation | undefined;
  const contextItems: Buffer[] = [];
  while (!fields.done) {
    const { type, value } = fields.item();
    if (type === Item.ApplicationContext) applicationContextUid = textOf(value);
    else if (type === contextType) {
      if (contextItems.push(value) > contextsMax) throw malformedAssociate(`more than ${contextsMax} contexts`);
    } else if (type === Item.UserInformation) {
      if (user) throw malformedAssociate('user information stands twice');
      if (value.length > userInformationBytesMax) throw malformedAssociate('user information is too long');
      user = decodeUserInformation(value);
    }
  }
  user ??= decodeUserInformation(Buffer.alloc(0));
  return { protocolVersion, calledAet, callingAet, applicationContextUid, user, contextItems };
}

function proposedContext(value: Buffer): ProposedPresentationContext {
  const fields = new ItemReader(value);
  const id = fields.uint8();
  fields.take(3);
  let abstractSyntaxUid: string | undefined;
  const transferSyntaxUids: string[] = [];
  while (!fields.done) {
    const { type, value: name } = fields.item();
    if (type === Item.AbstractSyntax) abstractSyntaxUid = textOf(name);
    else if (type === Item.TransferSyntax) transferSyntaxUids.push(textOf(name));
  }
  if (abstractSyntaxUid === undefined) throw malformedAssociate('a presentation context has no abstract syntax');
  return { id, abstractSyntaxUid, transferSyntaxUids };
}

function answeredContext(value: Buffer): AnsweredPresentationContext {
  const fields = new ItemReader(value);
  const id = fields.uint8();
  fields.take(1);
  const result = fields.uint8();
  fields.take(1);
  // Of a context that is not accepted the transfer syntax means nothing, and some peers send none.
  const transferSyntaxUid = fields.done ? '' : textOf(fields.item().value);
  return { id, result, transferSyntaxUid };
}

function assertIds(contexts: readonly { readonly id: number }[]): void {
  if (contexts.some(({ id }) => id % 2 === 0)) throw malformedAssociate('a presentation context id is even');
  if (new Set(contexts.map(({ id }) => id)).size < contexts.length)
    throw malformedAssociate('a presentation context id stands twice');
}

const uidItem = (type: number, uid: string): Buffer => item(type, Buffer.from(uid, 'latin1'));

function aetField(aet: string): Buffer {
  if (aet.length > aetBytes) throw new RangeError('an AE title has at most 16 characters');
  return Buffer.from(aet.padEnd(aetBytes), 'latin1');
}
