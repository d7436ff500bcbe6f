import { createHash } from 'node:crypto';

/**
 * What one source said about whose an instance is: Patient module attributes, decoded to Unicode, '' when absent.
 */
export interface IdentityAttributes {
  readonly patientId: string;
  readonly issuerOfPatientId: string;
  /** Issuer of Patient ID Qualifiers Sequence (0010,0024) > Universal Entity ID and its type. */
  readonly issuerUniversalEntityId: string;
  readonly issuerUniversalEntityIdType: string;
  /** Component groups joined by '='. */
  readonly patientName: string;
  /** DICOM DA. */
  readonly patientBirthDate: string;
  readonly patientSex: string;
}

/** What a whole study says: one set of attributes, and whether its sources agreed on it. */
export interface StudyIdentity extends IdentityAttributes {
  readonly digest: string;
  readonly inconsistent: boolean;
}

/** Of a study whose last instance left. The digest is that of no attributes, so that whoever comes back is judged. */
export const noIdentity: StudyIdentity = {
  patientId: '',
  issuerOfPatientId: '',
  issuerUniversalEntityId: '',
  issuerUniversalEntityIdType: '',
  patientName: '',
  patientBirthDate: '',
  patientSex: '',
  digest: '',
  inconsistent: false,
};

const attributeNames = [
  'patientId',
  'issuerOfPatientId',
  'issuerUniversalEntityId',
  'issuerUniversalEntityIdType',
  'patientName',
  'patientBirthDate',
  'patientSex',
] as const satisfies readonly (keyof IdentityAttributes)[];
type Name = (typeof attributeNames)[number];

const digestOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');

/** Digest of the attributes exactly as sent: rows of equal patients are kept once. */
export const patientDigest = (attributes: IdentityAttributes): string =>
  digestOf(attributeNames.map((name) => attributes[name]));

/** Case, diacritics, repeated spaces and empty trailing components carry no identity. */
export function normaliseName(name: string): string {
  return foldText(name)
    .split('=')
    .map((group) =>
      group
        .split('^')
        .map((part) => part.trim().replace(/\s+/g, ' '))
        .join('^')
        .replace(/\^+$/, ''),
    )
    .join('=')
    .replace(/=+$/, '');
}

/** Lower case without combining marks: "Müller" and "MULLER" are the same key. */
export const foldText = (text: string): string =>
  text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().normalize('NFKC');

function normalise(name: Name, value: string): string {
  const trimmed = value.trim();
  switch (name) {
    case 'patientName':
      return normaliseName(trimmed);
    case 'patientSex':
      return trimmed.toUpperCase();
    case 'patientBirthDate':
      // ACR-NEMA wrote dots (PS3.5 6.2, DA).
      return trimmed.replaceAll('.', '');
    default:
      return trimmed;
  }
}

/**
 * One identity from everything the study's source instances said, in the order they were stored.
 * An absent attribute contradicts nothing, except the Patient ID: an instance without one may be anybody's.
 * The digest covers the normalised attributes, so that spelling differences that carry no identity do not
 * break a link; of an inconsistent study it covers every version.
 */
export function studyIdentity(versions: readonly IdentityAttributes[]): StudyIdentity {
  const merged = Object.fromEntries(
    attributeNames.map((name) => [name, versions.find((version) => version[name].trim() !== '')?.[name].trim() ?? '']),
  ) as Record<Name, string>;
  const inconsistent = attributeNames.some((name) => {
    const values = new Set(versions.map((version) => normalise(name, version[name])));
    if (name !== 'patientId') values.delete('');
    return values.size > 1;
  });
  const normalised = (version: IdentityAttributes): string[] =>
    attributeNames.map((name) => normalise(name, version[name]));
  const digest = inconsistent
    ? digestOf([...new Set(versions.map((version) => JSON.stringify(normalised(version))))].sort())
    : digestOf(normalised(merged));
  return { ...merged, digest, inconsistent };
}
