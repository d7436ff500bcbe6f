import { dateFromDicom, genderFromDicom, type Patient } from '@callosum/fhir';

import { compareNames, type Comparison } from './name.js';

/** What a study says about its patient: DICOM attributes, '' when absent. */
export interface StudyDemographics {
  readonly patientId: string;
  readonly issuerOfPatientId: string;
  readonly issuerUniversalEntityId: string;
  readonly issuerUniversalEntityIdType: string;
  readonly patientName: string;
  readonly patientBirthDate: string;
  readonly patientSex: string;
  /** Sender of the study's first source instance. */
  readonly source: string;
  /** The study's instances do not agree among themselves. */
  readonly inconsistent: boolean;
  readonly identityDigest: string;
}

export type Reason =
  | 'missing-patient-id'
  | 'birth-date-contradicts'
  | 'sex-contradicts'
  | 'name-contradicts'
  | 'inconsistent-study'
  | 'ambiguous-patient'
  | 'uncorroborated'
  | 'rejected-by-person';

/** How each attribute compared; people see it when they decide. */
export interface Corroboration {
  readonly birthDate: Comparison;
  readonly sex: Comparison;
  readonly name: Comparison;
}

/** Birth dates agree when both are whole days; a partial one (FHIR, or a DA cut short) can only contradict. */
export function compareBirthDates(da: string, birthDate: string | undefined): Comparison {
  // "19700000" and "19700100" are ways of saying that day or month is not known.
  const ours = dateFromDicom(
    da
      .trim()
      .replace(/^(\d{4})0000$/, '$1')
      .replace(/^(\d{4}\d{2})00$/, '$1'),
  );
  const theirs = birthDate?.slice(0, 10);
  if (!ours || !theirs) return 'unknown';
  const precision = Math.min(ours.length, theirs.length);
  if (ours.slice(0, precision) !== theirs.slice(0, precision)) return 'contradicts';
  return precision === 10 ? 'agrees' : 'unknown';
}

/** Only male and female can be compared: "O", "other" and "unknown" neither agree nor contradict. */
export function compareSex(sex: string, gender: Patient['gender']): Comparison {
  const ours = genderFromDicom(sex);
  const binary = (value: string | undefined): boolean => value === 'male' || value === 'female';
  if (!binary(ours) || !binary(gender)) return 'unknown';
  return ours === gender ? 'agrees' : 'contradicts';
}

export const corroborate = (study: StudyDemographics, patient: Patient): Corroboration => ({
  birthDate: compareBirthDates(study.patientBirthDate, patient.birthDate),
  sex: compareSex(study.patientSex, patient.gender),
  name: compareNames(study.patientName, patient.name ?? []),
});

/**
 * Why a study is not linked to the Patient its identifier names; empty when it is.
 * Every contradiction counts, whatever else agrees. Agreement of the sex alone proves nothing, half of all people
 * share it: birth date or name must agree.
 */
export function objections({ birthDate, sex, name }: Corroboration): Reason[] {
  const contradictions: Reason[] = [
    ...(birthDate === 'contradicts' ? (['birth-date-contradicts'] as const) : []),
    ...(sex === 'contradicts' ? (['sex-contradicts'] as const) : []),
    ...(name === 'contradicts' ? (['name-contradicts'] as const) : []),
  ];
  if (contradictions.length > 0) return contradictions;
  return birthDate === 'agrees' || name === 'agrees' ? [] : ['uncorroborated'];
}
