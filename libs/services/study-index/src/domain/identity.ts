import { createHash } from 'node:crypto';

import { foldText } from '@callosum/dicom';
import { birthDateFromDicom, compareDemographics, genderFromDicom, nameWords, personFromDicom } from '@callosum/fhir';
import { withoutEnd } from '@callosum/kernel';

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

const identifierNames = [
  'patientId',
  'issuerOfPatientId',
  'issuerUniversalEntityId',
  'issuerUniversalEntityIdType',
] as const satisfies readonly (keyof IdentityAttributes)[];
const personNames = ['patientName', 'patientBirthDate', 'patientSex'] as const;
const attributeNames = [...identifierNames, ...personNames] as const;
type Name = (typeof attributeNames)[number];

const digestOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');

/** Digest of the attributes exactly as sent: rows of equal patients are kept once. */
export const patientDigest = (attributes: IdentityAttributes): string =>
  digestOf(attributeNames.map((name) => attributes[name]));

/** Case, diacritics, repeated spaces and empty trailing components carry no identity. */
export function normaliseName(name: string): string {
  const groups = foldText(name)
    .split('=')
    .map((group) => {
      const components = group.split('^').map((part) => part.trim().replace(/\s+/g, ' '));
      return withoutEnd(components.join('^'), '^');
    });
  return withoutEnd(groups.join('='), '=');
}

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
 * One identity from everything the study's source instances said, in the order they were stored. Of several accounts
 * that do not contradict each other each attribute is the one that says most, so that the order they came in is no matter.
 * Of others all attributes are those of the first, which also stands for the study where it is searched.
 * The digest covers the normalised attributes, so that spelling differences that carry no identity do not
 * break a link; of an inconsistent study it covers every version.
 */
export function studyIdentity(versions: readonly IdentityAttributes[]): StudyIdentity {
  const inconsistent = identifiersDiffer(versions) || peopleDiffer(versions);
  // Of contradicting accounts the first one is shown, with what it lacks: a mixture of them would be nobody, or a third person.
  const shown = inconsistent ? versions.slice(0, 1) : versions;
  const merged = Object.fromEntries(attributeNames.map((name) => [name, best(name, shown)])) as Record<Name, string>;
  const normalised = (version: IdentityAttributes): string[] =>
    attributeNames.map((name) => normalise(name, version[name]));
  const digest = inconsistent
    ? digestOf([...new Set(versions.map((version) => JSON.stringify(normalised(version))))].sort())
    : digestOf(normalised(merged));
  return { ...merged, digest, inconsistent };
}

/** An absent issuer contradicts nothing; an absent Patient ID does: an instance without one may be anybody's. */
const identifiersDiffer = (versions: readonly IdentityAttributes[]): boolean =>
  identifierNames.some((name) => {
    const values = new Set(versions.map((version) => normalise(name, version[name])));
    if (name !== 'patientId') values.delete('');
    return values.size > 1;
  });

/** The rule by which identity-mapping compares a study with a record: absent, partial and other neither agree nor contradict. */
function peopleDiffer(versions: readonly IdentityAttributes[]): boolean {
  const spelledOnce = new Map(
    versions.map((version) => [JSON.stringify(personNames.map((name) => normalise(name, version[name]))), version]),
  );
  const people = [...spelledOnce.values()];
  return people.some((one, at) => {
    const person = personFromDicom(one);
    return people
      .slice(at + 1)
      .some((other) => Object.values(compareDemographics(other, person)).includes('contradicts'));
  });
}

/** The value that says most; of equals the first in the alphabet, of one in several spellings the first stored. */
function best(name: Name, versions: readonly IdentityAttributes[]): string {
  let found = '';
  for (const version of versions) {
    const value = version[name].trim();
    if (value === '') continue;
    const more = found === '' ? 1 : saysOf(name, value) - saysOf(name, found);
    if (more > 0 || (more === 0 && normalise(name, value) < normalise(name, found))) found = value;
  }
  return found;
}

/** How much a value says, for comparison with others of its attribute. */
function saysOf(name: Name, value: string): number {
  switch (name) {
    case 'patientName':
      return nameWords(value).join('').length;
    case 'patientBirthDate':
      return birthDateFromDicom(value)?.length ?? 0;
    case 'patientSex':
      return ['male', 'female'].includes(genderFromDicom(value) ?? '') ? 1 : 0;
    default:
      return 0;
  }
}
