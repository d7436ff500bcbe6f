import { issuerSystem, sourceSystem } from '@callosum/fhir';

import type { StudyDemographics } from './judgement.js';

/** A Patient ID within its assigning authority: the key all studies of one patient share. */
export interface PatientIdentifier {
  /** Identifier system (URI). */
  readonly system: string;
  readonly value: string;
}

/** Issuers of sources that state none themselves, by AE title or HTTP source. */
export type IssuersOfSources = Readonly<Record<string, string>>;

/**
 * What no identifier holds: control characters (PS3.5 6.2, LO), and what stands for characters that could not be read.
 * Leaving them out would make one identifier of two.
 */
const unusable = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\uFFFD]/u;

/** White space but the space, as a no-break space: the record holds none in a string, and at the ends it would be taken off. */
const otherSpace = /[^\S ]/;

/** True when the Patient ID or its issuer holds characters that no identifier may hold. */
export const isMalformed = (study: StudyDemographics): boolean =>
  otherSpace.test(study.patientId) ||
  [study.patientId, study.issuerOfPatientId, study.issuerUniversalEntityId, study.issuerUniversalEntityIdType].some(
    (text) => unusable.test(text),
  );

/**
 * The identifier a study names its patient by; undefined without a Patient ID, and when it is malformed. A missing issuer comes from the
 * settings of the source; without one the Patient ID means something at that source only, and the same ID from two
 * sources names two patients.
 */
export function identifierOf(
  study: StudyDemographics,
  site: string,
  issuers: IssuersOfSources,
): PatientIdentifier | undefined {
  const value = study.patientId.trim();
  if (value === '' || isMalformed(study)) return undefined;
  const stated = issuerSystem(
    {
      namespaceId: study.issuerOfPatientId,
      universalId: study.issuerUniversalEntityId,
      universalIdType: study.issuerUniversalEntityIdType,
    },
    site,
  );
  if (stated) return { system: stated, value };
  const configured = Object.hasOwn(issuers, study.source) ? issuers[study.source] : undefined;
  return { system: (configured && configuredSystem(configured, site)) || sourceSystem(site, study.source), value };
}

/** A configured issuer may be a URI or an OID, which name it for everyone, or the name the site's sources would state. */
function configuredSystem(issuer: string, site: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:\S+$/i.test(issuer)) return issuer;
  if (/^[0-2](\.(0|[1-9]\d*))+$/.test(issuer)) return `urn:oid:${issuer}`;
  return issuerSystem({ namespaceId: issuer }, site);
}
