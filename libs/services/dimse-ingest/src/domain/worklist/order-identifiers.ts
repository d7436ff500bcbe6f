import type { Attributes } from '@callosum/dicom';
import { type Identifier, type Patient, type ServiceRequest, systems, uidOfIdentifier } from '@callosum/fhir';
import { nameUid, nameUuid } from '@callosum/kernel';

import { shortText } from './order.js';

/** System of identifiers that name a station by its AE title, in `ServiceRequest.performer`. */
export const aeTitleSystem = 'urn:callosum:ae-title';

const hasType = (identifier: Identifier, code: string): boolean =>
  identifier.type?.coding?.some((one) => one.system === systems.identifierType && one.code === code) ?? false;

/** The identifier of a type of HL7 v2 table 0203; '' when there is none. */
const ofType = ({ identifier = [] }: ServiceRequest, code: string): string =>
  identifier.find((one) => hasType(one, code))?.value ?? '';

/** What an order is called. */
export interface OrderIdentifiers {
  readonly accessionNumber: string;
  readonly placerOrderNumber: string;
  readonly fillerOrderNumber: string;
  /** SH. */
  readonly requestedProcedureId: string;
  readonly studyInstanceUid: string;
}

/** The longest value of an SH. */
const shortMax = 16;
/** The longest value of an LO. */
const longMax = 64;

/** A value where it can be said as it is; '' where it would be cut or cleaned: that is another one's. */
const unchanged = (value: string, charactersMax: number): string => {
  const said = shortText(value, charactersMax);
  return said === value.trim() ? said : '';
};

/**
 * Numbers that cannot be said unchanged are left out. What an order does not name is made from its id, so that each
 * answer about it says the same.
 */
export function orderIdentifiers(order: ServiceRequest & { id: string }, site: string): OrderIdentifiers {
  const accession = unchanged(ofType(order, 'ACSN'), shortMax);
  const placer = unchanged(ofType(order, 'PLAC'), longMax);
  const filler = unchanged(ofType(order, 'FILL'), longMax);
  const short = [filler, placer, accession].find((value) => value !== '' && value.length <= shortMax);
  const uid = (order.identifier ?? []).map(uidOfIdentifier).find((one) => one !== undefined);
  return {
    accessionNumber: accession,
    placerOrderNumber: placer,
    fillerOrderNumber: filler,
    requestedProcedureId:
      short ?? nameUuid('worklist-procedure', site, order.id).replaceAll('-', '').slice(0, shortMax),
    studyInstanceUid: uid ?? nameUid('worklist-study', site, order.id),
  };
}

/**
 * Patient ID with its issuer (PS3.3 C.2.2): the medical record number, else what the record holds for official, else the
 * first, of those that an LO can say: one that is cut or cleaned is another identifier, and perhaps another patient's. The issuer's system stands in the qualifiers, from where identity-mapping takes it when the images come.
 */
export function patientIdAttributes({ identifier = [] }: Patient): Attributes {
  const named = identifier.filter(({ value, use }) => value && use !== 'old' && unchanged(value, longMax) !== '');
  const chosen =
    named.find((one) => hasType(one, 'MR')) ??
    named.find(({ use }) => use === 'official') ??
    named.find(({ use }) => use === 'usual') ??
    named[0];
  if (!chosen) return { PatientID: '', IssuerOfPatientID: '', IssuerOfPatientIDQualifiersSequence: null };
  return {
    PatientID: unchanged(chosen.value ?? '', longMax),
    IssuerOfPatientID: shortText(chosen.assigner?.display, 64),
    IssuerOfPatientIDQualifiersSequence: chosen.system ? [universalEntity(chosen.system)] : null,
  };
}

function universalEntity(system: string): Attributes {
  const [, oid] = /^urn:oid:([\d.]+)$/.exec(system) ?? [];
  if (oid !== undefined) return { UniversalEntityID: oid, UniversalEntityIDType: 'ISO' };
  const [, uuid] = /^urn:uuid:(.+)$/.exec(system) ?? [];
  if (uuid !== undefined) return { UniversalEntityID: uuid, UniversalEntityIDType: 'UUID' };
  return { UniversalEntityID: system, UniversalEntityIDType: 'URI' };
}
