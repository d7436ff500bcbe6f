import { DicomParseError } from './errors.js';
import { personNameText, type DicomJson, type DicomJsonElement, type PersonName } from './json.js';
import type { Tag } from './tags.js';

/** One key of a query: which attribute, and what it is matched with. */
export interface IdentifierKey {
  /** Its tag; of an attribute in items of sequences all tags on the way, joined by dots: "00400275.00400009". */
  readonly path: string;
  /** As DICOM writes it, several values joined by a backslash; '' asks for the attribute and matches everything. */
  readonly value: string;
}

/** Specific Character Set, Query/Retrieve Level and View: how to read the identifier and what it is about, no keys. */
const noKeys: ReadonlySet<Tag> = new Set(['00080005', '00080052', '00080053']);

/**
 * The keys of a C-FIND identifier (PS3.4 C.2.2.1) in the DICOM JSON Model. A sequence without an item, or with one that
 * is empty, asks for the whole sequence (C.2.2.2.6). A binary value is given as base64: nobody matches with it.
 * Thrown when a sequence holds several items, of which the standard says nothing: DicomParseError.
 */
export function keysOfIdentifier(identifier: DicomJson): IdentifierKey[] {
  return keysOf(identifier, '');
}

function keysOf(dataset: DicomJson, prefix: string): IdentifierKey[] {
  return Object.entries(dataset).flatMap(([tag, element]) => {
    if (prefix === '' && noKeys.has(tag)) return [];
    const path = `${prefix}${tag}`;
    if (element.vr !== 'SQ') return [{ path, value: valueOf(element) }];
    const items = (element.Value ?? []) as DicomJson[];
    if (items.length > 1)
      throw new DicomParseError(`${tag} holds several items: a key has one at most (PS3.4 C.2.2.2.6)`);
    const keys = keysOf(items[0] ?? {}, `${path}.`);
    return keys.length > 0 ? keys : [{ path, value: '' }];
  });
}

function valueOf({ vr, Value: values = [], InlineBinary: inline }: DicomJsonElement): string {
  if (inline !== undefined) return inline;
  return values
    .map((value) => {
      if (value === null) return '';
      if (typeof value !== 'object') return String(value);
      return vr === 'PN' ? personNameText(value as PersonName) : '';
    })
    .join('\\');
}
