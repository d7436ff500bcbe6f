import { ProtocolError } from '../errors.js';
import { textOf } from '../upper-layer/item-reader.js';
import { AbortReason } from '../upper-layer/pdu.js';

/** Command Field (0000,0100) of requests, PS3.7 annex E.1; a response has the highest bit set. */
export const CommandField = Object.freeze({
  CStoreRq: 0x0001,
  CGetRq: 0x0010,
  CFindRq: 0x0020,
  CMoveRq: 0x0021,
  CEchoRq: 0x0030,
  NEventReportRq: 0x0100,
  NGetRq: 0x0110,
  NSetRq: 0x0120,
  NActionRq: 0x0130,
  NCreateRq: 0x0140,
  NDeleteRq: 0x0150,
  CCancelRq: 0x0fff,
});

/** A request's operation as PS3.7 writes it, e.g. "N-EVENT-REPORT". */
export function operationName(commandField: number): string {
  const [name = 'unknown'] = Object.entries(CommandField).find(([, value]) => value === commandField) ?? [];
  return name
    .replace(/Rq$/, '')
    .replace(/(?<!^)([A-Z])/g, '-$1')
    .toUpperCase();
}
const responseBit = 0x8000;
const requestFields: ReadonlySet<number> = new Set(Object.values(CommandField));

export const isResponse = ({ commandField }: CommandSet): boolean => (commandField & responseBit) !== 0;
export const responseTo = (commandField: number): number => commandField | responseBit;

/** Priority (0000,0700). */
export const Priority = Object.freeze({ Medium: 0, High: 1, Low: 2 });

/** The elements of a command set (PS3.7 annex E.1) by what they say; tags are numbers, group × 65,536 + element. */
export interface CommandSet {
  readonly commandField: number;
  /** Command Data Set Type: false is 0101, "no dataset follows". */
  readonly hasDataset: boolean;
  readonly affectedSopClassUid?: string;
  readonly requestedSopClassUid?: string;
  readonly messageId?: number;
  readonly messageIdBeingRespondedTo?: number;
  readonly moveDestination?: string;
  readonly priority?: number;
  readonly status?: number;
  readonly offendingElements?: readonly number[];
  readonly errorComment?: string;
  readonly errorId?: number;
  readonly affectedSopInstanceUid?: string;
  readonly requestedSopInstanceUid?: string;
  readonly eventTypeId?: number;
  readonly attributeIdentifiers?: readonly number[];
  readonly actionTypeId?: number;
  readonly remaining?: number;
  readonly completed?: number;
  readonly failed?: number;
  readonly warning?: number;
  readonly moveOriginatorAet?: string;
  readonly moveOriginatorMessageId?: number;
}

type Vr = 'UI' | 'US' | 'AE' | 'LO' | 'AT';
type Name = Exclude<keyof CommandSet, 'hasDataset'>;
type Value = string | number | readonly number[];

/** In the order of their tags, in which they are written. */
const elements: readonly (readonly [number, Name, Vr])[] = [
  [0x0002, 'affectedSopClassUid', 'UI'],
  [0x0003, 'requestedSopClassUid', 'UI'],
  [0x0100, 'commandField', 'US'],
  [0x0110, 'messageId', 'US'],
  [0x0120, 'messageIdBeingRespondedTo', 'US'],
  [0x0600, 'moveDestination', 'AE'],
  [0x0700, 'priority', 'US'],
  [0x0900, 'status', 'US'],
  [0x0901, 'offendingElements', 'AT'],
  [0x0902, 'errorComment', 'LO'],
  [0x0903, 'errorId', 'US'],
  [0x1000, 'affectedSopInstanceUid', 'UI'],
  [0x1001, 'requestedSopInstanceUid', 'UI'],
  [0x1002, 'eventTypeId', 'US'],
  [0x1005, 'attributeIdentifiers', 'AT'],
  [0x1008, 'actionTypeId', 'US'],
  [0x1020, 'remaining', 'US'],
  [0x1021, 'completed', 'US'],
  [0x1022, 'failed', 'US'],
  [0x1023, 'warning', 'US'],
  [0x1030, 'moveOriginatorAet', 'AE'],
  [0x1031, 'moveOriginatorMessageId', 'US'],
];
const byElement = new Map(elements.map(([element, name, vr]) => [element, { name, vr }]));
const dataSetTypeElement = 0x0800;
const noDataset = 0x0101;
/** Tag and length of an element in Implicit VR Little Endian, PS3.7 section 6.3.1. */
const headBytes = 8;
/** Error Comment has VR LO. */
const commentCharsMax = 64;

/** A command set with its group length, in Implicit VR Little Endian (PS3.7 section 6.3.1). */
export function encodeCommandSet(command: CommandSet): Buffer {
  const values: [number, Buffer][] = [];
  for (const [element, name, vr] of elements) {
    // Between Priority and Status.
    if (element === 0x0900) values.push([dataSetTypeElement, uint16(command.hasDataset ? 0x0001 : noDataset)]);
    const value = command[name];
    if (value !== undefined) values.push([element, encodeValue(value, vr)]);
  }
  const length = values.reduce((sum, [, value]) => sum + headBytes + value.length, 0);
  const bytes = Buffer.alloc(headBytes + 4 + length);
  bytes.writeUInt32LE(4, 4);
  bytes.writeUInt32LE(length, headBytes);
  let offset = headBytes + 4;
  for (const [element, value] of values) {
    bytes.writeUInt16LE(element, offset + 2);
    bytes.writeUInt32LE(value.length, offset + 4);
    bytes.set(value, offset + headBytes);
    offset += headBytes + value.length;
  }
  return bytes;
}

/**
 * Reads a command set; elements not known (retired ones, or of an edition yet to come) are passed over.
 * One without a value counts as absent. Their order is not asked for: nothing depends on it.
 * @throws {ProtocolError} elements that do not fit, of another group, of another length than their VR's, one twice,
 *   or no Command Field
 */
export function decodeCommandSet(bytes: Buffer): CommandSet {
  const values: Partial<Record<Name, Value>> = {};
  let dataSetType = noDataset;
  for (let offset = 0; offset < bytes.length;) {
    if (offset + headBytes > bytes.length) throw malformed('an element is cut off');
    if (bytes.readUInt16LE(offset) !== 0) throw malformed('an element is of another group');
    const element = bytes.readUInt16LE(offset + 2);
    const end = offset + headBytes + bytes.readUInt32LE(offset + 4);
    if (end > bytes.length) throw malformed('an element does not fit');
    const value = bytes.subarray(offset + headBytes, end);
    const known = value.length > 0 ? byElement.get(element) : undefined;
    if (known) {
      if (values[known.name] !== undefined) throw malformed('an element stands twice');
      values[known.name] = decodeValue(value, known.vr);
    } else if (element === dataSetTypeElement) dataSetType = readUint16(value);
    offset = end;
  }
  const { commandField } = values;
  if (typeof commandField !== 'number') throw malformed('it has no Command Field');
  return { ...(values as Partial<CommandSet>), commandField, hasDataset: dataSetType !== noDataset };
}

/** True for the requests of PS3.7, whether or not we serve them. */
export const isKnownRequest = ({ commandField }: CommandSet): boolean => requestFields.has(commandField);

function encodeValue(value: Value, vr: Vr): Buffer {
  if (typeof value === 'number') return uint16(value);
  if (typeof value !== 'string') {
    const bytes = Buffer.alloc(value.length * 4);
    value.forEach((tag, index) => {
      bytes.writeUInt16LE(tag >>> 16, index * 4);
      bytes.writeUInt16LE(tag & 0xffff, index * 4 + 2);
    });
    return bytes;
  }
  // A comment is of the default repertoire (PS3.5 section 6.1.2.2); a backslash would make two of it.
  const text = vr === 'LO' ? value.slice(0, commentCharsMax).replace(/[^\x20-\x5b\x5d-\x7e]/g, '?') : value;
  return Buffer.from(text.length % 2 === 0 ? text : text + (vr === 'UI' ? '\0' : ' '), 'latin1');
}

function decodeValue(bytes: Buffer, vr: Vr): Value {
  if (vr === 'US') return readUint16(bytes);
  if (vr !== 'AT') return textOf(bytes);
  if (bytes.length % 4 !== 0) throw malformed('a tag is cut off');
  const tags: number[] = [];
  for (let at = 0; at < bytes.length; at += 4)
    tags.push(bytes.readUInt16LE(at) * 0x1_0000 + bytes.readUInt16LE(at + 2));
  return tags;
}

function uint16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function readUint16(bytes: Buffer): number {
  if (bytes.length !== 2) throw malformed('a number is not of two bytes');
  return bytes.readUInt16LE(0);
}

function malformed(why: string): ProtocolError {
  const message = `a command set cannot be read: ${why}`;
  return new ProtocolError('malformed-message', message, AbortReason.InvalidParameterValue);
}
