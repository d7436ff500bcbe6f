import { tinySeries, type TinyInstance } from '@callosum/phantom';

import { between, pick, type Random } from './random.js';

/**
 * What becomes of a study when nothing is lost.
 * - `published`: one report.
 * - `one-of-pair`: it and its partner name one Patient ID with contradicting attributes; whoever is judged second is
 *   quarantined.
 */
export type Expected = 'published' | 'one-of-pair';

/** Whose a study says it is. */
export interface PlannedPatient {
  readonly id: string;
  /** DA. */
  readonly birthDate: string;
}

/** A study to be sent, in one or more transfers of its instances. */
export interface PlannedStudy {
  readonly studyInstanceUid: string;
  readonly expected: Expected;
  readonly patient: PlannedPatient;
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
    const patient = { id: `${demographics.patientId}-${salt}-${number}`, birthDate: demographics.birthDate };
    const { first, later } = one(patient.id);
    const studyInstanceUid = uidOf(first);
    const single = { studyInstanceUid, patient, expected: 'published' as const, by };
    if (kind < lateUpTo) return [{ ...single, transfers: [first, later] }];
    if (kind < resentUpTo) return [{ ...single, transfers: [first, first] }];
    if (kind >= pairUpTo) return [{ ...single, transfers: [first] }];
    const { otherName, otherBirthDate } = demographics;
    const contradicting = { PatientBirthDate: otherBirthDate, PatientSex: 'M', PatientName: otherName };
    const other = one(patient.id, contradicting).first;
    const partner = uidOf(other);
    const pair = { expected: 'one-of-pair' as const, by };
    const otherPatient = { ...patient, birthDate: otherBirthDate };
    return [
      { ...pair, studyInstanceUid, patient, partner, transfers: [first] },
      { ...pair, studyInstanceUid: partner, patient: otherPatient, partner: studyInstanceUid, transfers: [other] },
    ];
  };
}

function uidOf([instance]: readonly TinyInstance[]): string {
  if (!instance) throw new RangeError('a study has instances');
  return instance.studyInstanceUid;
}
