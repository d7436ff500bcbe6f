import type {
  CommonExtendedNegotiation,
  ExtendedNegotiation,
  OperationsWindow,
  RoleSelection,
  UserIdentity,
  UserInformation,
} from './associate.js';
import { counted, item, ItemReader, malformedAssociate, textOf, uint16 } from './item-reader.js';

/** Sub-items of the user information: PS3.8 annex D.1 and PS3.7 annex D.3.3. */
const SubItem = Object.freeze({
  MaximumLength: 0x51,
  ImplementationClassUid: 0x52,
  OperationsWindow: 0x53,
  RoleSelection: 0x54,
  ImplementationVersionName: 0x55,
  ExtendedNegotiation: 0x56,
  CommonExtendedNegotiation: 0x57,
  UserIdentityRq: 0x58,
  UserIdentityAc: 0x59,
});

export function encodeUserInformation(user: UserInformation): Buffer {
  const { operationsWindow, userIdentity, userIdentityResponse } = user;
  const max = Buffer.alloc(4);
  max.writeUInt32BE(user.pduBytesMax);
  const items = [
    item(SubItem.MaximumLength, max),
    item(SubItem.ImplementationClassUid, Buffer.from(user.implementationClassUid, 'latin1')),
  ];
  if (operationsWindow) {
    const { invoked, performed } = operationsWindow;
    items.push(item(SubItem.OperationsWindow, uint16(invoked), uint16(performed)));
  }
  for (const { sopClassUid, scu, scp } of user.roles)
    items.push(item(SubItem.RoleSelection, counted(sopClassUid), Uint8Array.of(scu ? 1 : 0, scp ? 1 : 0)));
  if (user.implementationVersionName)
    items.push(item(SubItem.ImplementationVersionName, Buffer.from(user.implementationVersionName, 'latin1')));
  for (const { sopClassUid, information } of user.extendedNegotiation)
    items.push(item(SubItem.ExtendedNegotiation, counted(sopClassUid), information));
  for (const { sopClassUid, serviceClassUid, relatedGeneralSopClassUids } of user.commonExtendedNegotiation) {
    const related = counted(Buffer.concat(relatedGeneralSopClassUids.map((uid) => counted(uid))));
    items.push(item(SubItem.CommonExtendedNegotiation, counted(sopClassUid), counted(serviceClassUid), related));
  }
  if (userIdentity) {
    const { type, positiveResponseRequested, primary, secondary } = userIdentity;
    const kind = Uint8Array.of(type, positiveResponseRequested ? 1 : 0);
    items.push(item(SubItem.UserIdentityRq, kind, counted(primary), counted(secondary)));
  }
  if (userIdentityResponse) items.push(item(SubItem.UserIdentityAc, counted(userIdentityResponse)));
  return Buffer.concat(items);
}

/**
 * Sub-items in any order; those not known are passed over (PS3.8 section 9.3.1). One that stands twice where one is
 * allowed counts as it stands last, as peers read it.
 * @throws {ProtocolError} a sub-item that does not fit, or is shorter than its fields
 */
export function decodeUserInformation(bytes: Buffer): UserInformation {
  let pduBytesMax = 0;
  let implementationClassUid = '';
  let implementationVersionName = '';
  let operationsWindow: OperationsWindow | undefined;
  let userIdentity: UserIdentity | undefined;
  let userIdentityResponse: Buffer | undefined;
  const roles: RoleSelection[] = [];
  const extendedNegotiation: ExtendedNegotiation[] = [];
  const commonExtendedNegotiation: CommonExtendedNegotiation[] = [];
  for (const items = new ItemReader(bytes); !items.done;) {
    const { type, value } = items.item();
    const fields = new ItemReader(value);
    if (type === SubItem.MaximumLength) pduBytesMax = fields.uint32();
    else if (type === SubItem.ImplementationClassUid) implementationClassUid = textOf(value);
    else if (type === SubItem.ImplementationVersionName) implementationVersionName = textOf(value);
    else if (type === SubItem.OperationsWindow)
      operationsWindow = { invoked: fields.uint16(), performed: fields.uint16() };
    else if (type === SubItem.RoleSelection) roles.push(roleOf(fields));
    else if (type === SubItem.ExtendedNegotiation)
      extendedNegotiation.push({ sopClassUid: textOf(fields.counted()), information: fields.rest() });
    else if (type === SubItem.CommonExtendedNegotiation) commonExtendedNegotiation.push(commonOf(fields));
    else if (type === SubItem.UserIdentityRq) userIdentity = identityOf(fields);
    else if (type === SubItem.UserIdentityAc) userIdentityResponse = fields.counted();
  }
  return {
    pduBytesMax,
    implementationClassUid,
    implementationVersionName,
    roles,
    extendedNegotiation,
    commonExtendedNegotiation,
    ...(operationsWindow ? { operationsWindow } : {}),
    ...(userIdentity ? { userIdentity } : {}),
    ...(userIdentityResponse ? { userIdentityResponse } : {}),
  };
}

function roleOf(fields: ItemReader): RoleSelection {
  const sopClassUid = textOf(fields.counted());
  const [scu, scp] = [fields.uint8(), fields.uint8()];
  if (scu > 1 || scp > 1) throw malformedAssociate('a role is neither 0 nor 1');
  return { sopClassUid, scu: scu === 1, scp: scp === 1 };
}

function commonOf(fields: ItemReader): CommonExtendedNegotiation {
  const sopClassUid = textOf(fields.counted());
  const serviceClassUid = textOf(fields.counted());
  const relatedGeneralSopClassUids: string[] = [];
  // Old peers leave the field out when it is empty.
  const related = new ItemReader(fields.done ? Buffer.alloc(0) : fields.counted());
  while (!related.done) relatedGeneralSopClassUids.push(textOf(related.counted()));
  return { sopClassUid, serviceClassUid, relatedGeneralSopClassUids };
}

function identityOf(fields: ItemReader): UserIdentity {
  const [type, requested] = [fields.uint8(), fields.uint8()];
  const primary = fields.counted();
  const secondary = fields.done ? Buffer.alloc(0) : fields.counted();
  return { type, positiveResponseRequested: requested === 1, primary, secondary };
}
