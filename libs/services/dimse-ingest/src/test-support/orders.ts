import type { Patient, ServiceRequest } from '@callosum/fhir';

import type { ImagingOrder } from '../domain/worklist/order.js';

const typed = (code: string, value: string) => ({
  type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code }] },
  system: 'urn:oid:1.2.3.4',
  value,
});

export const patient: Patient & { id: string } = {
  resourceType: 'Patient',
  id: 'p1',
  identifier: [
    { system: 'http://insurance.example', value: 'INS-9', use: 'secondary' },
    { ...typed('MR', 'MRN-1'), assigner: { display: 'General Hospital' } },
  ],
  name: [{ use: 'official', family: 'Müller', given: ['Anna'] }],
  birthDate: '1970-01-31',
  gender: 'female',
};

/** A chest CT that is ordered for a morning. */
export const order = (more: Partial<ServiceRequest> = {}): ServiceRequest & { id: string } => ({
  resourceType: 'ServiceRequest',
  id: 'sr1',
  status: 'active',
  intent: 'order',
  priority: 'urgent',
  subject: { reference: 'Patient/p1' },
  identifier: [typed('ACSN', 'ACC-77'), typed('PLAC', 'PLACER-1'), typed('FILL', 'FILLER-1')],
  category: [{ coding: [{ system: 'http://snomed.info/sct', code: '363679005', display: 'Imaging' }] }],
  code: {
    coding: [
      { system: 'http://loinc.org', code: '24627-2', display: 'CT Chest' },
      { system: 'http://hospital.example/codes', code: 'CTTHX' },
    ],
    text: 'CT of the chest',
  },
  orderDetail: [{ coding: [{ system: 'http://dicom.nema.org/resources/ontology/DCM', code: 'CT' }] }],
  occurrenceDateTime: '2026-11-26T09:30:00+01:00',
  requester: { display: 'Dr. House' },
  reasonCode: [{ text: 'Suspected nodule' }],
  ...more,
});

export const imagingOrder = (more: Partial<ServiceRequest> = {}): ImagingOrder => ({ order: order(more), patient });
