import { compareDemographics, type Corroboration, type Person } from '@callosum/fhir';

export { compareDemographics as corroborate, type Corroboration } from '@callosum/fhir';

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
  | 'malformed-patient-id'
  | 'birth-date-contradicts'
  | 'sex-contradicts'
  | 'name-contradicts'
  | 'inconsistent-study'
  | 'ambiguous-patient'
  | 'patient-gone'
  | 'patient-inactive'
  | 'uncorroborated'
  | 'rejected-by-person';

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

/**
 * Why a linked study does not follow its Patient into the one it was merged into; no reasons when it does. The record
 * says that the two are one person, so that a survivor who says little is no objection; one who contradicts is, unless
 * a person had chosen in spite of what the study says.
 */
export function objectionsToSurvivor(
  study: StudyDemographics | undefined,
  survivor: Person,
  chosenByPerson: boolean,
): { readonly corroboration?: Corroboration; readonly reasons: readonly Reason[] } {
  if (!study) return { reasons: chosenByPerson ? [] : ['uncorroborated'] };
  const corroboration = compareDemographics(study, survivor);
  if (chosenByPerson) return { corroboration, reasons: [] };
  return { corroboration, reasons: objections(corroboration).filter((reason) => reason !== 'uncorroborated') };
}
