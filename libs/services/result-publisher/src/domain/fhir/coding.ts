import { type CodeableConcept, type Coding, type Identifier, systems } from '@callosum/fhir';
import { nameUuid } from '@callosum/kernel';

import { type Code, lateralityCode } from '../result.js';

/** Coding scheme designators (PS3.16 section 8) as FHIR code systems. */
const systemOfScheme: Readonly<Record<string, string>> = {
  SCT: systems.snomedCt,
  SRT: systems.snomedCt,
  LN: systems.loinc,
  DCM: systems.dicomOntology,
  UCUM: systems.ucum,
  RADLEX: 'http://radlex.org',
  FMA: 'urn:oid:2.16.840.1.113883.6.119',
  UMLS: 'http://terminology.hl7.org/CodeSystem/umls',
  I10: 'http://hl7.org/fhir/sid/icd-10',
};

export const codeSystem = (scheme: string): string =>
  systemOfScheme[scheme] ?? `urn:uuid:${nameUuid('coding-scheme', scheme)}`;

export const coding = (code: Code): Coding => ({
  system: codeSystem(code.scheme),
  code: code.value,
  ...(code.meaning ? { display: code.meaning } : {}),
});

export const concept = (code: Code): CodeableConcept => ({
  coding: [coding(code)],
  ...(code.meaning ? { text: code.meaning } : {}),
});

/**
 * A body site with its side: the site's own code, beside it for SNOMED CT the post-coordinated expression
 * (272741003 |Laterality|), and both in words.
 */
export function bodySite(site: Code, laterality: string): CodeableConcept {
  const side = lateralityCode(laterality);
  if (!side) return concept(site);
  const expression = { system: codeSystem(site.scheme), code: `${site.value}:272741003=${side.value}` };
  return {
    coding: [...(site.scheme === 'SCT' ? [expression] : []), coding(site)],
    text: sidedText(site.meaning, side),
  };
}

/** A place with its side in words: "Lung, left"; the side is not said twice where the place names it ("Left lung"). */
export function sidedText(place: string, side: Code | undefined): string {
  const word = side?.meaning.toLowerCase() ?? '';
  if (place === '' || word === '') return place || word;
  return place
    .toLowerCase()
    .split(/[^a-z]+/)
    .includes(word)
    ? place
    : `${place}, ${word}`;
}

/** Identifier systems of what Callosum publishes; the same on every site. */
export const identifierSystems = {
  job: 'urn:callosum:job',
  report: 'urn:callosum:diagnostic-report',
  observation: 'urn:callosum:observation',
  model: 'urn:callosum:model-version',
  endpoint: 'urn:callosum:endpoint',
  /** A tag, for resources that have no identifier in R4 (Provenance). */
  publication: 'urn:callosum:publication',
} as const;

/** A name-based identifier: the same parts give the same one, so that a repeated write finds what it wrote before. */
export const namedIdentifier = (
  system: string,
  ...parts: readonly string[]
): Required<Pick<Identifier, 'system' | 'value'>> => ({
  system,
  value: nameUuid(system, ...parts),
});
