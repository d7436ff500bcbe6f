import { type Attributes, datasetOf, type DicomJson } from '@callosum/dicom';
import { dateToDicom, genderToDicom, humanNamesToDicom, type Reference, type ServiceRequest } from '@callosum/fhir';

import { type ImagingOrder, shortText, type WorklistSite } from './order.js';
import { codeItems, conceptText, modalityOf, priorityOf } from './order-codes.js';
import { aeTitleSystem, orderIdentifiers, patientIdAttributes } from './order-identifiers.js';
import { type Due, type ScheduledStart, scheduledStart } from './order-time.js';

/** An AE title (PS3.5 6.2). */
const aeTitle = /^(?! *$)[\x20-\x5b\x5d-\x7e]{1,16}$/;

/** A display name as the family name of a PN: who wrote it did not say more. */
const personText = (name: string | undefined): string => shortText(name, 64).replace(/[\^=]/g, ' ');

/**
 * An order as an item of the Modality Worklist (PS3.4 annex K): one requested procedure with one scheduled step. What
 * the order does not say is empty.
 * @param due an order that nobody dated starts on the day it was written when absent
 */
export function worklistItem({ order, patient, requester }: ImagingOrder, site: WorklistSite, due?: Due): DicomJson {
  const ids = orderIdentifiers(order, site.site);
  const physician = (requester && humanNamesToDicom(requester.name)) || personText(order.requester?.display);
  const description = shortText(conceptText(order.code), 64);
  const [reason] = order.reasonCode ?? [];
  return datasetOf({
    AccessionNumber: ids.accessionNumber,
    ReferringPhysicianName: physician,
    PatientName: humanNamesToDicom(patient.name),
    ...patientIdAttributes(patient),
    PatientBirthDate: dateToDicom(patient.birthDate) ?? '',
    PatientSex: genderToDicom(patient.gender),
    StudyInstanceUID: ids.studyInstanceUid,
    RequestingPhysician: physician,
    RequestedProcedureDescription: description,
    RequestedProcedureCodeSequence: codeItems(order.code),
    RequestedProcedureID: ids.requestedProcedureId,
    RequestedProcedurePriority: priorityOf(order),
    ReasonForTheRequestedProcedure: shortText(conceptText(reason), 64),
    PlacerOrderNumberImagingServiceRequest: ids.placerOrderNumber,
    FillerOrderNumberImagingServiceRequest: ids.fillerOrderNumber,
    ScheduledProcedureStepSequence: [
      scheduledStep(order, site, {
        start: scheduledStart(order, site.timeZone, due),
        stepId: ids.requestedProcedureId,
        description,
      }),
    ],
  });
}

function scheduledStep(
  order: ServiceRequest,
  site: WorklistSite,
  { start, stepId, description }: { start: ScheduledStart; stepId: string; description: string },
): Attributes {
  const modality = modalityOf(order);
  const performers = order.performer ?? [];
  return {
    Modality: modality,
    ScheduledStationAETitle: stationsOf(performers, modality, site),
    ScheduledProcedureStepStartDate: start.date,
    ScheduledProcedureStepStartTime: start.time,
    ScheduledPerformingPhysicianName: personText(displayOf(performers, 'Practitioner')),
    ScheduledProcedureStepDescription: description,
    ScheduledProtocolCodeSequence: codeItems(order.code),
    ScheduledProcedureStepID: stepId,
    ScheduledStationName: shortText(displayOf(performers, 'Device'), 16),
    ScheduledProcedureStepLocation: shortText(
      order.locationReference?.[0]?.display ?? conceptText(order.locationCode?.[0]),
      16,
    ),
    ScheduledProcedureStepStatus: 'SCHEDULED',
  };
}

/** The stations an order names, or those of its modality. */
function stationsOf(performers: readonly Reference[], modality: string, { stations }: WorklistSite): string[] {
  const named = performers.flatMap(({ identifier }) =>
    identifier?.system === aeTitleSystem && aeTitle.test(identifier.value ?? '') ? [identifier.value ?? ''] : [],
  );
  return named.length > 0 ? named : [...(stations.get(modality) ?? [])];
}

const displayOf = (references: readonly Reference[], type: string): string | undefined =>
  references.find((one) => (one.type ?? one.reference?.split('/').at(-2)) === type)?.display;
