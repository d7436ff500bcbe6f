import { tinySeries, type TinyInstance } from '@callosum/phantom';

import { between, pick, type Random } from './random.js';

/**
 * What becomes of a study when nothing is lost.
 * - `published`: one report.
 * - `one-of-pair`: it and its partner name one Patient ID with contradicting attributes; whoever is judged second is
 *   quarantined.
 */
export type Expected = 'published' | 'one-of-pair';

/** A study to be sent, in one or more transfers of its instances. */
export interface PlannedStudy {
  readonly studyInstanceUid: string;
  readonly expected: Expected;
  /** The other study of a pair. */
  readonly partner?: string;
  /** Each is one association or request; a pause lies between them. */
  readonly transfers: readonly (readonly TinyInstance[])[];
  readonly by: 'dimse' | 'stow';
}

/** Whom studies are of. Patient IDs and accession numbers begin so, and go on with a number of their own. */
export interface Demographics {
  readonly name: string;
  readonly patientId: string;
  readonly accessionNumber: string;
  /** DA. */
  readonly birthDate: string;
  /** Of the other person under the same Patient ID. */
  readonly otherName: string;
  readonly otherBirthDate: string;
}

/** Nobody. */
export const anonymous: Demographics = {
  name: 'CHAOS^STUDY',
  patientId: 'CHAOS',
  accessionNumber: 'CHAOS',
  birthDate: '19580214',
  otherName: 'OTHER^PERSON',
  otherBirthDate: '20010101',
};

const slices = 6;
/** Shares of the kinds among a hundred studies. */
const lateUpTo = 15;
const resentUpTo = 22;
const pairUpTo = 30;
/** STOW-RS takes one study in this many. */
const stowEvery = 3;

/** The studies of a run, in the order they are sent. The same seed plans the same studies. */
export function planStudies(
  random: Random,
  salt: string,
  demographics: Demographics = anonymous,
): () => readonly PlannedStudy[] {
  let number = 0;
  const one = (patient: string, attributes: object = {}): { first: TinyInstance[]; later: TinyInstance[] } => {
    const name = `${salt}-${++number}`;
    const overrides = {
      PatientID: patient,
      PatientName: demographics.name,
      PatientBirthDate: demographics.birthDate,
      PatientSex: 'F',
      // SH: sixteen characters.
      AccessionNumber: `${demographics.accessionNumber.slice(0, 10)}-${number}`,
      ...attributes,
    };
    return {
      first: tinySeries({ salt: name, slices, overrides }),
      // More slices than the first: the model's input changes.
      later: tinySeries({
        salt: name,
        series: 'late',
        slices: slices + 2,
        overrides: { ...overrides, SeriesNumber: 2 },
      }),
    };
  };
  return () => {
    const kind = between(random, 0, 99);
    const by = pick(
      random,
      Array.from({ length: stowEvery }, (_, i) => (i === 0 ? 'stow' : 'dimse') as 'stow' | 'dimse'),
    );
    const patient = `${demographics.patientId}-${salt}-${number}`;
    const { first, later } = one(patient);
    const studyInstanceUid = uidOf(first);
    if (kind < lateUpTo) return [{ studyInstanceUid, expected: 'published', transfers: [first, later], by }];
    if (kind < resentUpTo) return [{ studyInstanceUid, expected: 'published', transfers: [first, first], by }];
    if (kind >= pairUpTo) return [{ studyInstanceUid, expected: 'published', transfers: [first], by }];
    const { otherName, otherBirthDate } = demographics;
    const contradicting = { PatientBirthDate: otherBirthDate, PatientSex: 'M', PatientName: otherName };
    const other = one(patient, contradicting).first;
    const partner = uidOf(other);
    return [
      { studyInstanceUid, expected: 'one-of-pair', partner, transfers: [first], by },
      { studyInstanceUid: partner, expected: 'one-of-pair', partner: studyInstanceUid, transfers: [other], by },
    ];
  };
}

function uidOf([instance]: readonly TinyInstance[]): string {
  if (!instance) throw new RangeError('a study has instances');
  return instance.studyInstanceUid;
}
