import dictionary from 'dcmjs/dictionary';

/** A tag as DICOM JSON writes it: eight upper-case hex digits, group then element (PS3.18 F.2.2). */
export type Tag = string;

export interface DictionaryEntry {
  readonly tag: Tag;
  readonly keyword: string;
  /** Value Representation; where PS3.6 allows several, the one written when nothing else is known. */
  readonly vr: string;
}

/** PS3.6 names several VRs for some attributes; dcmjs abbreviates the choice. */
const ambiguous: Readonly<Record<string, string>> = { ox: 'OW', xs: 'US', lt: 'OW', up: 'UL' };

const byTag = new Map<Tag, DictionaryEntry>();
const byKeyword = new Map<string, DictionaryEntry>();
/** Published parts of PS3.6, the current one first; the list also holds private attributes, to which only a creator gives a meaning. */
const publishers = [/^DICOM$/, /^(DICOM\/|Supplement|CP_)/];
const listed = Object.values(dictionary).map((entry) => ({
  ...entry,
  // Repeating groups are written as a range: (6000-60FF,0010).
  tag: entry.tag.replace(/^\(([0-9A-F]{4})-[0-9A-F]{4},/, '($1,').replace(/[(),]/g, ''),
}));
for (const publisher of publishers) {
  for (const { tag, vr, name, version } of listed) {
    if (!publisher.test(version) || !/^[0-9A-F]{8}$/.test(tag) || name.length === 0 || byTag.has(tag)) continue;
    const entry = { tag, keyword: name, vr: ambiguous[vr] ?? (vr.length === 2 && vr !== 'na' ? vr : 'UN') };
    byTag.set(tag, entry);
    if (!byKeyword.has(name)) byKeyword.set(name, entry);
  }
}

const tagPattern = /^[0-9A-Fa-f]{8}$/;
const signedBySample: ReadonlySet<Tag> = new Set(listed.filter(({ vr }) => vr === 'xs').map(({ tag }) => tag));

const several: ReadonlySet<Tag> = new Set(listed.filter(({ vr }) => vr in ambiguous).map(({ tag }) => tag));

/** Whether PS3.6 lets an attribute have one of several VRs of numbers or words. */
export const isSeveralVrs = (tag: Tag): boolean => several.has(dictionaryEntry(tag)?.tag ?? tag);

/**
 * The tag of a keyword of PS3.6, or of eight hex digits: `tagOf('PatientID') === '00100020'`.
 * Thrown when the keyword is unknown: RangeError, as this is a defect of the caller.
 */
export function tagOf(keywordOrTag: string): Tag {
  const known = byKeyword.get(keywordOrTag);
  if (known) return known.tag;
  if (tagPattern.test(keywordOrTag)) return keywordOrTag.toUpperCase();
  throw new RangeError(`"${keywordOrTag}" is neither a DICOM keyword nor a tag`);
}

/** The tag of a keyword or tag from outside; undefined when it is neither. */
export function findTag(keywordOrTag: string): Tag | undefined {
  return byKeyword.get(keywordOrTag)?.tag ?? (tagPattern.test(keywordOrTag) ? keywordOrTag.toUpperCase() : undefined);
}

/** PS3.6 by tag; repeating groups (50xx, 60xx) are found under their base group. */
export function dictionaryEntry(tag: Tag): DictionaryEntry | undefined {
  const found = byTag.get(tag);
  if (found) return found;
  if (tag.startsWith('60') || tag.startsWith('50')) return byTag.get(`${tag.slice(0, 2)}00${tag.slice(4)}`);
  return undefined;
}

/**
 * The VR an Implicit VR element has (PS3.5 A.1); UN for private and unknown tags.
 * `signed` is Pixel Representation 1, which decides between US and SS.
 */
export function vrOf(tag: Tag, signed = false): string {
  if (tag.endsWith('0000')) return 'UL';
  if (isPrivate(tag)) return /00[1-9A-F][0-9A-F]$/.test(tag) ? 'LO' : 'UN';
  if (signed && signedBySample.has(tag)) return 'SS';
  return dictionaryEntry(tag)?.vr ?? 'UN';
}

/** Groups with an odd number are private (PS3.5 7.8). */
export const isPrivate = (tag: Tag): boolean => (parseInt(tag.slice(3, 4), 16) & 1) === 1;
