import { isConformantUid, isUid, nameUuid } from '@callosum/kernel';

import type { Coding, Identifier } from './resources.js';
import { systems } from './systems.js';

/**
 * DICOM UID as a FHIR identifier (R4 ImagingStudy, notes: system urn:dicom:uid, value urn:oid:…). A UID with leading zeros
 * is no OID (RFC 3061), and without them it is another one: it is the value by itself.
 */
export function uidIdentifier(uid: string): Identifier {
  return { system: systems.dicomUid, value: isConformantUid(uid) ? `urn:oid:${uid}` : uid };
}

/** SOP class UID as R4 ImagingStudy names it: a URI where it is one, see `uidIdentifier`. */
export function sopClassCoding(uid: string): Coding {
  return isConformantUid(uid)
    ? { system: systems.uri, code: `urn:oid:${uid}` }
    : { system: systems.dicomUid, code: uid };
}

/** The DICOM UID an identifier holds, as a URI or by itself; undefined when it holds none. */
export function uidOfIdentifier(identifier: Identifier): string | undefined {
  if (identifier.system !== systems.dicomUid) return undefined;
  const uid = (identifier.value ?? '').replace(/^urn:oid:/, '');
  return isUid(uid) ? uid : undefined;
}

/** Issuer of Patient ID (0010,0021) and its qualifiers (0010,0024), or a HL7v2 HD of an accession issuer (0008,0051). */
export interface DicomIssuer {
  /** Issuer of Patient ID, or Local Namespace Entity ID (0040,0031). */
  readonly namespaceId?: string;
  /** Universal Entity ID (0040,0032). */
  readonly universalId?: string;
  /** Universal Entity ID Type (0040,0033): ISO, UUID, URI, DNS, EUI64, X400, X500. */
  readonly universalIdType?: string;
}

/**
 * Identifier system of an issuer. An ISO OID, a UUID or a URI names it for everyone and is used as it is; any
 * other issuer means something within one site only, and gets a name-based URI that is the same on every
 * machine of that site. Letter case and surrounding spaces of local names do not count.
 * Undefined when the issuer says nothing: the caller decides what stands for "missing".
 */
export function issuerSystem(issuer: DicomIssuer, site: string): string | undefined {
  const universalId = issuer.universalId?.trim() ?? '';
  const type = issuer.universalIdType?.trim().toUpperCase() ?? '';
  if (type === 'ISO' && isConformantUid(universalId)) return `urn:oid:${universalId}`;
  if (type === 'UUID' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(universalId))
    return `urn:uuid:${universalId.toLowerCase()}`;
  if (type === 'URI' && /^[a-z][a-z0-9+.-]*:\S+$/i.test(universalId)) return universalId;
  const namespaceId = issuer.namespaceId?.trim() ?? '';
  if (universalId !== '') return privateSystem('universal', site, type, universalId.toLowerCase());
  return namespaceId === '' ? undefined : privateSystem('namespace', site, namespaceId.toLowerCase());
}

/** Identifier system for IDs of a source that states no issuer: private to that source (its AE title or endpoint). */
export function sourceSystem(site: string, source: string): string {
  return privateSystem('source', site, source.trim());
}

const privateSystem = (...parts: readonly string[]): string => `urn:uuid:${nameUuid('identifier-system', ...parts)}`;
