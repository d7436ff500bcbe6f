import { dictionaryEntry, isPrivate, type Tag } from '../tags.js';

/** How the values of an attribute are compared; decided by its VR and PS3.4 C.2.2.2. */
export type MatchForm = 'uid' | 'text' | 'name' | 'date' | 'time' | 'datetime' | 'number';

const forms: Readonly<Record<string, MatchForm>> = {
  AE: 'text',
  AS: 'text',
  AT: 'text',
  CS: 'text',
  DA: 'date',
  DS: 'number',
  DT: 'datetime',
  FD: 'number',
  FL: 'number',
  IS: 'number',
  LO: 'text',
  LT: 'text',
  PN: 'name',
  SH: 'text',
  SL: 'number',
  SS: 'number',
  ST: 'text',
  SV: 'number',
  TM: 'time',
  UC: 'text',
  UI: 'uid',
  UL: 'number',
  UR: 'text',
  US: 'number',
  UT: 'text',
  UV: 'number',
};

/**
 * How an attribute is matched; undefined when it cannot be: bytes, whole sequences, what PS3.6 does not know, and
 * private attributes, whose tag says nothing without their creator.
 */
export const formOf = (tag: Tag): MatchForm | undefined => {
  const entry = isPrivate(tag) ? undefined : dictionaryEntry(tag);
  return entry && forms[entry.vr];
};

/** Dates and the times that go with them: together one moment (PS3.4 C.2.2.2.5). */
export const timeOfDate: Readonly<Record<Tag, Tag>> = {
  '00080012': '00080013',
  '00080020': '00080030',
  '00080021': '00080031',
  '00080022': '00080032',
  '00080023': '00080033',
  '00100030': '00100032',
  '00380020': '00380021',
  '00400002': '00400003',
  '00400004': '00400005',
  '00400244': '00400245',
  '00400250': '00400251',
};
