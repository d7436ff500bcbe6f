import { dateFromDicom, genderFromDicom, humanNamesFromDicom, type Patient } from '@callosum/fhir';

import type { PatientIdentifier } from './identifier.js';
import type { StudyDemographics } from './judgement.js';

/** Marks a Patient that Callosum made because nobody knew the identifier; the record's owner merges or confirms it. */
export const provisionalTag = {
  system: 'urn:callosum:patient-status',
  code: 'provisional',
  display: 'Created from imaging, not confirmed by registration',
} as const;

export const isProvisional = (patient: Patient): boolean =>
  patient.meta?.tag?.some(({ system, code }) => system === provisionalTag.system && code === provisionalTag.code) ??
  false;

/** False when the record says that its Patient is not to be used (Patient.active); not saying so is no such word. */
export const isActive = (patient: Patient): boolean => patient.active !== false;

/** A Patient of what a study says, known by `identifier`. Values FHIR cannot hold are left out, not guessed. */
export function provisionalPatient(study: StudyDemographics, identifier: PatientIdentifier): Patient {
  const name = humanNamesFromDicom(study.patientName);
  const birthDate = dateFromDicom(study.patientBirthDate);
  const gender = genderFromDicom(study.patientSex);
  return {
    resourceType: 'Patient',
    meta: { tag: [{ ...provisionalTag }] },
    active: true,
    identifier: [{ ...identifier }],
    ...(name.length > 0 ? { name } : {}),
    ...(birthDate ? { birthDate } : {}),
    ...(gender ? { gender } : {}),
  };
}

/** True when the Patient says of the person just what `made` said when it was sent for creation. */
export const saysTheSame = (patient: Patient, made: Patient): boolean =>
  patient.birthDate === made.birthDate &&
  patient.gender === made.gender &&
  JSON.stringify(patient.name ?? []) === JSON.stringify(made.name ?? []);

/** The identifier of a Patient that a person had created for one decision: it names nobody else. */
export const decisionIdentifier = (decisionId: string): PatientIdentifier => ({
  system: 'urn:ietf:rfc:3986',
  value: `urn:uuid:${decisionId}`,
});
