import {
  combinedMoments,
  dictionaryEntry,
  type DicomJson,
  formOf,
  inTagOrder,
  keysInItems,
  keysOfIdentifier,
  matchesKeys,
  partOf,
  type QueryKey,
  readMatch,
  type Tag,
  type Wanted,
  wantedOf,
} from '@callosum/dicom';

import { worklistItem } from './worklist-item.js';

/** What the record is asked for at most: a superset of what matches. Dates are FHIR's, each end inclusive. */
export interface OrderNarrowing {
  readonly patientIdentifier?: string;
  readonly accessionNumber?: string;
  readonly from?: string;
  readonly to?: string;
}

/** A query of the Modality Worklist as it was understood. */
export interface WorklistQuery {
  readonly keys: readonly QueryKey[];
  readonly wanted: Wanted;
  /** A key has a value that is not matched by: matches say so (FF01). */
  readonly hasUnsupportedKeys: boolean;
  /** When steps start that are asked for: dates, or moments where a time is asked for, too. */
  readonly start: { readonly from?: string; readonly to?: string };
  readonly narrowing: OrderNarrowing;
}

const steps: Tag = '00400100';
const accession: Tag = '00080050';
const patientId: Tag = '00100020';
const startDate: Tag = '00400002';

/** Attributes an item can have, by what one has that says nothing. */
const blank = worklistItem(
  {
    order: { resourceType: 'ServiceRequest', id: '0', status: 'active', intent: 'order', subject: {} },
    patient: { resourceType: 'Patient' },
  },
  { site: '', stations: new Map() },
);
const [blankStep] = (blank[steps]?.Value ?? []) as DicomJson[];

/** Tags of what is returned and matched by: of the requested procedure, and inside its scheduled step. */
export const worklistAttributes: Readonly<Record<'procedure' | 'step', readonly Tag[]>> = {
  procedure: Object.keys(blank).filter((tag) => tag !== steps),
  step: Object.keys(blankStep ?? {}),
};

const isMatchable = ([tag = '', inner]: readonly Tag[]): boolean =>
  tag === steps ? inner === undefined || blankStep?.[inner] !== undefined : blank[tag] !== undefined;

/**
 * Reads an identifier (PS3.4 K.4.1.1). Date and time of the scheduled step are one range of moments (table K.6-1).
 * @throws {DicomParseError} @throws {MalformedMatchError}
 */
export function readWorklistQuery(identifier: DicomJson): WorklistQuery {
  const asked = keysOfIdentifier(identifier).map(({ path, value }) => ({ path: path.split('.'), value }));
  const keys: QueryKey[] = [];
  let hasUnsupportedKeys = false;
  for (const { path, value } of asked) {
    if (/^[* \0]*$/.test(value)) continue;
    const tag = path.at(-1) ?? '';
    const form = isMatchable(path) ? formOf(tag) : undefined;
    const isCode = dictionaryEntry(tag)?.vr === 'CS';
    const condition = form && readMatch(path.join('.'), form, value, { isCode });
    if (condition) keys.push({ path, condition });
    else hasUnsupportedKeys ||= form === undefined;
  }
  const combined = combinedMoments(keys);
  return {
    keys: combined,
    start: startOf(combined),
    wanted: wantedOf(asked.map(({ path }) => path)),
    hasUnsupportedKeys,
    narrowing: narrowingOf(keys),
  };
}

/** The item as it was asked for, or undefined when it does not match. */
export function answerOf(item: DicomJson, { keys, wanted }: WorklistQuery): DicomJson | undefined {
  if (!matchesKeys(item, keys)) return undefined;
  const answer: DicomJson = {};
  for (const [tag, want] of wanted) {
    const element = item[tag];
    answer[tag] = element ? partOf(element, want, keysInItems(keys, tag)) : { vr: dictionaryEntry(tag)?.vr ?? 'UN' };
  }
  return inTagOrder(answer);
}

function startOf(keys: readonly QueryKey[]): WorklistQuery['start'] {
  const start = keys.find(({ path }) => path[0] === steps && path.at(-1) === startDate)?.condition;
  if (start?.kind !== 'date' && start?.kind !== 'moment') return {};
  const { from, to } = start;
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}

function narrowingOf(keys: readonly QueryKey[]): OrderNarrowing {
  const single = (tag: Tag): string | undefined => {
    const condition = keys.find(({ path }) => path.length === 1 && path[0] === tag)?.condition;
    return condition?.kind === 'equal' && condition.values.length === 1 ? condition.values[0] : undefined;
  };
  const { from, to } = startOf(keys);
  const [patientIdentifier, accessionNumber] = [single(patientId), single(accession)];
  return {
    ...(patientIdentifier === undefined ? {} : { patientIdentifier }),
    ...(accessionNumber === undefined ? {} : { accessionNumber }),
    ...shifted('from', from, -1),
    ...shifted('to', to, 1),
  };
}

/** A day further on: the record's clocks may be of other zones than the modality's. */
function shifted(end: 'from' | 'to', date: string | undefined, days: number): OrderNarrowing {
  if (date === undefined) return {};
  const [year, month, day] = [date.slice(0, 4), date.slice(4, 6), date.slice(6)].map(Number) as [
    number,
    number,
    number,
  ];
  // A month is asked for to its 31st also where it is shorter.
  const at = new Date(0);
  at.setUTCFullYear(year, month, 0);
  at.setUTCDate(Math.min(day, at.getUTCDate()) + days);
  // Beyond what a date of FHIR can say there is nothing to narrow.
  const iso = at.toISOString();
  return /^\d{4}-/.test(iso) ? { [end]: iso.slice(0, 10) } : {};
}
