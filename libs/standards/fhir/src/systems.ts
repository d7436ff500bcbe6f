/** URIs of the code and identifier systems Callosum writes (R4 "Known Code Systems" and "Identifier Systems"). */
export const systems = Object.freeze({
  /** DICOM PS3.16 Annex D codes: modalities, concepts, document titles. */
  dicomOntology: 'http://dicom.nema.org/resources/ontology/DCM',
  /** DICOM UIDs as identifiers; the value is an OID in URI form. */
  dicomUid: 'urn:dicom:uid',
  snomedCt: 'http://snomed.info/sct',
  loinc: 'http://loinc.org',
  ucum: 'http://unitsofmeasure.org',
  /** HL7 v2 table 0203, identifier types (MR, ACSN, PLAC, FILL). */
  identifierType: 'http://terminology.hl7.org/CodeSystem/v2-0203',
  observationCategory: 'http://terminology.hl7.org/CodeSystem/observation-category',
  diagnosticServiceSection: 'http://terminology.hl7.org/CodeSystem/v2-0074',
  endpointConnectionType: 'http://terminology.hl7.org/CodeSystem/endpoint-connection-type',
  provenanceParticipantType: 'http://terminology.hl7.org/CodeSystem/provenance-participant-type',
  dataOperation: 'http://terminology.hl7.org/CodeSystem/v3-DataOperation',
  /** System of identifiers whose value is itself a URI. */
  uri: 'urn:ietf:rfc:3986',
} as const);
