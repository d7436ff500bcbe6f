import type { Patient } from './resources.js';

export type AdministrativeGender = NonNullable<Patient['gender']>;

/**
 * Patient's Sex (0010,0040) to FHIR administrative gender. Undefined when the attribute is empty (type 2:
 * not known to have been asked); `unknown` for a value PS3.3 does not define.
 */
export function genderFromDicom(sex: string | undefined): AdministrativeGender | undefined {
  const value = sex?.trim().toUpperCase() ?? '';
  if (value === '') return undefined;
  if (value === 'M') return 'male';
  if (value === 'F') return 'female';
  return value === 'O' ? 'other' : 'unknown';
}

/** FHIR administrative gender to Patient's Sex; empty for unknown or absent. */
export function genderToDicom(gender: AdministrativeGender | undefined): 'M' | 'F' | 'O' | '' {
  if (gender === 'male') return 'M';
  if (gender === 'female') return 'F';
  return gender === 'other' ? 'O' : '';
}
