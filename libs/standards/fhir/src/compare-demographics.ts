import { compareNames, type Comparison } from './compare-names.js';
import { dateFromDicom } from './dates.js';
import { genderFromDicom } from './gender.js';
import { humanNamesFromDicom } from './names.js';
import type { Patient } from './resources.js';

/** What a DICOM object says of its patient as a person: Patient module attributes, decoded, '' when absent. */
export interface DicomDemographics {
  readonly patientName: string;
  readonly patientBirthDate: string;
  readonly patientSex: string;
}

export type Person = Pick<Patient, 'birthDate' | 'gender' | 'name'>;

/** How each attribute compared; people see it when they decide. */
export interface Corroboration {
  readonly birthDate: Comparison;
  readonly sex: Comparison;
  readonly name: Comparison;
}

/** The one rule for whether two accounts speak of one person: between a study and a record, and inside a study. */
export const compareDemographics = (study: DicomDemographics, person: Person): Corroboration => ({
  birthDate: compareBirthDates(study.patientBirthDate, person.birthDate),
  sex: compareSex(study.patientSex, person.gender),
  name: compareNames(study.patientName, person.name ?? []),
});

/** The same as a record would hold it, to compare two DICOM objects. */
export function personFromDicom(study: DicomDemographics): Person {
  const birthDate = birthDateFromDicom(study.patientBirthDate);
  const gender = genderFromDicom(study.patientSex);
  return {
    ...(birthDate ? { birthDate } : {}),
    ...(gender ? { gender } : {}),
    name: humanNamesFromDicom(study.patientName),
  };
}

/** A FHIR date, partial where the DA is: "19700000" and "19700100" are ways of saying that day or month is not known. */
export const birthDateFromDicom = (da: string): string | undefined =>
  dateFromDicom(
    da
      .trim()
      .replace(/^(\d{4})0000$/, '$1')
      .replace(/^(\d{4}\d{2})00$/, '$1'),
  );

/** Birth dates agree when both are whole days; a partial one (FHIR, or a DA cut short) can only contradict. */
export function compareBirthDates(da: string, birthDate: string | undefined): Comparison {
  const ours = birthDateFromDicom(da);
  const theirs = birthDate?.slice(0, 10);
  if (!ours || !theirs) return 'unknown';
  const precision = Math.min(ours.length, theirs.length);
  if (ours.slice(0, precision) !== theirs.slice(0, precision)) return 'contradicts';
  return precision === 10 ? 'agrees' : 'unknown';
}

/** Only male and female can be compared: "O", "other" and "unknown" neither agree nor contradict. */
export function compareSex(sex: string, gender: Patient['gender']): Comparison {
  const ours = genderFromDicom(sex);
  if (!isComparable(ours) || !isComparable(gender)) return 'unknown';
  return ours === gender ? 'agrees' : 'contradicts';
}

const isComparable = (gender: Patient['gender']): boolean => gender === 'male' || gender === 'female';
