import { DicomWriteError } from './errors.js';
import type { DicomJsonElement, DicomJsonValue } from './json.js';
import { dictionaryEntry, isPrivate, isSeveralVrs, type Tag } from './tags.js';
import { bulkVrs, textVrs } from './vr.js';

/** Values that can be read as each other, whatever edition of PS3.6 a sender has. */
type Kind = 'text' | 'number' | 'bytes' | 'tag' | 'items';

/** Text of numbers is both. */
function kindsOf(vr: string): readonly Kind[] {
  if (vr === 'DS' || vr === 'IS') return ['text', 'number'];
  if (vr === 'SQ') return ['items'];
  if (vr === 'AT') return ['tag'];
  if (bulkVrs.has(vr)) return ['bytes'];
  return textVrs.has(vr) ? ['text'] : ['number'];
}

/** What PS3.6 lets the attribute be; undefined where it says nothing: of private attributes, and those it does not have. */
function kindsAllowed(tag: Tag): readonly Kind[] | undefined {
  const vr = isPrivate(tag) ? undefined : dictionaryEntry(tag)?.vr;
  if (vr === undefined || vr === 'UN') return undefined;
  // Words of a table are as often said to be numbers.
  return isSeveralVrs(tag) || bulkVrs.has(vr) ? ['bytes', 'number'] : kindsOf(vr);
}

/**
 * An element of outside means what its attribute means: a sex that is a number, or a name that is a sequence, nobody finds
 * again. One that is empty says nothing, and UN anything may be (PS3.5 6.2.2).
 * @throws {DicomWriteError} for a VR of another kind than PS3.6 gives the attribute, and a value that its VR cannot hold
 */
export function checkElement(tag: Tag, { vr, Value: values = [], BulkDataURI, InlineBinary }: DicomJsonElement): void {
  if (values.length === 0 && BulkDataURI === undefined && InlineBinary === undefined) return;
  const allowed = vr === 'UN' ? undefined : kindsAllowed(tag);
  if (allowed && !kindsOf(vr).some((kind) => allowed.includes(kind)))
    throw new DicomWriteError(`${tag} is no ${vr} (PS3.6)`);
  // Nobody but its vendor reads a private attribute, and who sends it on did not write it.
  const holds = isPrivate(tag) && textVrs.has(vr) ? undefined : holders[vr];
  if (holds && !values.every((value) => isEmpty(value) || holds(value)))
    throw new DicomWriteError(`${tag} (${vr}) has a value that is none of its VR (PS3.5 6.2)`);
}

const isEmpty = (value: DicomJsonValue): boolean => value === null || (typeof value === 'string' && /^ *$/.test(value));

/** Linear in the text, which may be of any length. */
const decimal = /^ *[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)? *$/;
/** Some write "1.0" for a whole number. */
const whole = /^ *[+-]?\d+(?:\.0*)? *$/;
const notFinite: ReadonlySet<DicomJsonValue> = new Set(['NaN', 'inf', '-inf']);
const [int32Min, int32Max] = [-(2 ** 31), 2 ** 31 - 1];

const isDecimal = (value: DicomJsonValue): boolean =>
  typeof value === 'number' || (typeof value === 'string' && decimal.test(value) && Number.isFinite(Number(value)));

function isInt32(value: DicomJsonValue): boolean {
  if (typeof value === 'string' && !whole.test(value)) return false;
  const number = Number(value);
  return Number.isInteger(number) && number >= int32Min && number <= int32Max;
}

/** What IEEE 754 has beside numbers is said in words (PS3.18 F.2.3); what is too large for the VR would become one of them. */
const isFloat = (value: DicomJsonValue): boolean =>
  notFinite.has(value) || (isDecimal(value) && Number.isFinite(Math.fround(Number(value))));

/** Text that some pad with NUL; it stays as it came. */
const padded =
  (holds: (value: DicomJsonValue) => boolean) =>
  (value: DicomJsonValue): boolean => {
    const text = typeof value === 'string' ? value.replaceAll('\0', ' ') : value;
    return isEmpty(text) || holds(text);
  };

/** Whether a value is one of the VR, where it is not looked at when it is written. */
const holders: Readonly<Record<string, (value: DicomJsonValue) => boolean>> = {
  // A number may be text, so that none of its digits is lost (PS3.18 F.2.3).
  DS: padded(isDecimal),
  IS: padded(isInt32),
  FL: isFloat,
  FD: (value) => notFinite.has(value) || isDecimal(value),
  ...Object.fromEntries(['US', 'SS', 'UL', 'SL'].map((vr) => [vr, isDecimal])),
};
