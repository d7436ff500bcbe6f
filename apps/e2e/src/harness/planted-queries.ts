import type { EndedRun } from '@callosum/stack';

import { planted } from './planted.js';

type Cluster = EndedRun['cluster'];

const { name, patientId, accessionNumber, birthDate } = planted;
const encoded = encodeURIComponent(name);
const isoBirthDate = birthDate.replace(/(....)(..)(..)/, '$1-$2-$3');

/** Requests that name a patient, by the service that gets them: found, found nothing, refused. */
const paths: readonly (readonly [service: string, client: 'pacs' | 'ehr', path: string])[] = [
  ['dicomweb', 'pacs', `/dicom-web/studies?PatientName=${encodeURIComponent('Zephyr*')}`],
  ['dicomweb', 'pacs', `/dicom-web/studies?PatientID=${patientId}&00100030=${birthDate}`],
  ['dicomweb', 'pacs', `/dicom-web/studies?AccessionNumber=${accessionNumber}&includefield=all`],
  ['dicomweb', 'pacs', `/dicom-web/studies?PatientBirthDate=${encoded}`],
  ['dicomweb', 'pacs', `/dicom-web/studies?${patientId}=1&limit=${patientId}`],
  ['dicomweb', 'pacs', `/dicom-web/studies/${patientId}/metadata`],
  ['dicomweb', 'pacs', `/dicom-web/studies/${encoded}/series/1.2.3/instances/1.2.3/frames/1`],
  ['dicomweb', 'pacs', `/dicom-web/%zz/${patientId}`],
  // Of a client that may not.
  ['dicomweb', 'ehr', `/dicom-web/studies?PatientName=${encoded}`],
  ['fhir-gateway', 'ehr', '/fhir/Patient?name=Zephyrquill'],
  ['fhir-gateway', 'ehr', `/fhir/Patient?identifier=${patientId}&birthdate=${isoBirthDate}`],
  ['fhir-gateway', 'ehr', `/fhir/Patient?birthdate=${encoded}`],
  ['fhir-gateway', 'ehr', `/fhir/Patient?name:${patientId}=x&_sort=${encoded}`],
  ['fhir-gateway', 'ehr', `/fhir/Patient/${patientId}/_history/${birthDate}`],
  ['fhir-gateway', 'ehr', `/fhir/Zephyrquill?name=${encoded}`],
  ['fhir-gateway', 'pacs', `/fhir/Patient/${encoded}`],
  ['identity-mapping', 'ehr', `/api/identity/decisions/${patientId}`],
  ['identity-mapping', 'ehr', `/api/identity/quarantine?limit=${patientId}`],
  ['inference-orchestrator', 'ehr', `/api/inference/jobs?study=${encoded}`],
];

/** Asks everything of `paths`, and writes what is refused, with and without a token. Resolves with the statuses. */
export async function askForPatients(cluster: Cluster): Promise<number[]> {
  const statuses: number[] = [];
  const ask = async (service: string, path: string, init: RequestInit): Promise<void> => {
    const response = await fetch(cluster.addresses.http(service) + path, init);
    await response.arrayBuffer();
    statuses.push(response.status);
  };
  const nonsense = { authorization: `Bearer ${patientId}`, 'user-agent': `Zephyrquill/1.0 (${patientId})` };
  for (const [service, client, path] of paths) {
    await ask(service, path, { headers: await cluster.headers(client) });
    await ask(service, path, { headers: nonsense });
  }
  const writes: readonly (readonly [service: string, client: 'pacs' | 'ehr', path: string, type: string])[] = [
    ['dicomweb', 'pacs', '/dicom-web/studies', `multipart/related; boundary=${patientId}`],
    ['dicomweb', 'pacs', '/dicom-web/studies', 'application/dicom+json'],
    ['dicomweb', 'pacs', '/dicom-web/studies', 'application/dicom+xml'],
    ['fhir-gateway', 'ehr', '/fhir/Patient/_search', 'application/x-www-form-urlencoded'],
    ['fhir-gateway', 'ehr', '/fhir/Patient', 'application/fhir+json'],
    ['fhir-gateway', 'ehr', '/fhir', 'application/fhir+json'],
  ];
  for (const [service, client, path, type] of writes) {
    const headers = { ...(await cluster.headers(client)), 'content-type': type };
    await ask(service, path, { method: 'POST', headers, body: `name=${name}&birthdate=${birthDate}` });
  }
  return statuses;
}
