import type { Attributes } from '@callosum/dicom';
import { type CodeableConcept, type Coding, type ServiceRequest, systems } from '@callosum/fhir';

import { shortText } from './order.js';

/** Coding Scheme Designators (PS3.16 section 8) of FHIR's code systems. */
const designators: Readonly<Record<string, string>> = {
  [systems.dicomOntology]: 'DCM',
  [systems.snomedCt]: 'SCT',
  [systems.loinc]: 'LN',
  'http://radlex.org': 'RADLEX',
  'http://www.radlex.org': 'RADLEX',
  'http://www.ama-assn.org/go/cpt': 'C4',
  'http://hl7.org/fhir/sid/icd-10': 'I10',
};

/** Diagnostic service sections (HL7 v2 table 0074) that are of one modality. */
const modalityOfSection: Readonly<Record<string, string>> = {
  CT: 'CT',
  NMR: 'MR',
  NMS: 'NM',
  CUS: 'US',
  OUS: 'US',
  RUS: 'US',
  VUS: 'US',
};

/** Code Value is SH; longer ones stand in Long Code Value (PS3.3 8.1). */
const codeValueMax = 16;

/** Items of a code sequence; codings of a system that DICOM has no name for are left out. */
export function codeItems(concept: CodeableConcept | undefined): Attributes[] {
  return (concept?.coding ?? []).flatMap(({ system, code, display, version }): Attributes[] => {
    const designator = designators[system ?? ''];
    const value = shortText(code, 64);
    if (designator === undefined || value === '') return [];
    return [
      {
        ...(value.length > codeValueMax ? { LongCodeValue: value } : { CodeValue: value }),
        CodingSchemeDesignator: designator,
        ...(designator === 'SCT' || !version ? {} : { CodingSchemeVersion: shortText(version, 16) }),
        CodeMeaning: shortText(display ?? concept?.text ?? code, 64),
      },
    ];
  });
}

/** What people call it. */
export const conceptText = (concept: CodeableConcept | undefined): string =>
  concept?.text ?? concept?.coding?.find(({ display }) => display)?.display ?? concept?.coding?.[0]?.code ?? '';

/**
 * Modality (0008,0060) of an order: a DICOM modality code in its details, the kind of performer, the category or the
 * code; else the section of the category. '' when nothing says it.
 */
export function modalityOf({ orderDetail = [], performerType, category = [], code }: ServiceRequest): string {
  const codings = [...orderDetail, performerType, ...category, code].flatMap((concept) => concept?.coding ?? []);
  const isModality = (coding: Coding): boolean =>
    coding.system === systems.dicomOntology && /^[A-Z][A-Z0-9_]{0,15}$/.test(coding.code ?? '');
  const stated = codings.find(isModality)?.code;
  if (stated !== undefined) return stated;
  const sections = codings.filter(({ system }) => system === systems.diagnosticServiceSection);
  return sections.map((coding) => modalityOfSection[coding.code ?? '']).find((modality) => modality) ?? '';
}

/** Requested Procedure Priority (0040,1003), PS3.3 C.4.11. */
export function priorityOf({ priority }: ServiceRequest): string {
  if (priority === 'stat') return 'STAT';
  if (priority === 'asap' || priority === 'urgent') return 'HIGH';
  return priority === 'routine' ? 'ROUTINE' : '';
}
