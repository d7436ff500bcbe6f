import { multipartParts } from '@callosum/testing';

import type { Cluster } from '../cluster/cluster.js';
import { datasetDigest } from './dataset-digest.js';
import type { Promised, StudyState, SystemState } from './judge-state.js';

interface Resource {
  readonly resourceType: string;
  readonly id: string;
  readonly meta?: { readonly versionId?: string };
  readonly status?: string;
  readonly identifier?: readonly { readonly system?: string; readonly value?: string }[];
  readonly imagingStudy?: readonly { readonly reference?: string }[];
}

const requestMs = 30_000;
const pageSize = 200;

/** What people find: the archive over WADO-RS and the record over FHIR. */
export async function judgeSinks(cluster: Cluster, promised: Promised, state: SystemState): Promise<string[]> {
  return [...(await judgeRecord(cluster, state)), ...(await judgeArchive(cluster, promised, state))];
}

/** One ImagingStudy and one report of each linked study, a version a published result; nothing of a quarantined one. */
async function judgeRecord(cluster: Cluster, state: SystemState): Promise<string[]> {
  const fhir = `${cluster.addresses.http('fhir-gateway')}/fhir`;
  const imagingStudies = Map.groupBy(await everyResource(fhir, 'ImagingStudy'), studyInstanceUidOf);
  const reports = Map.groupBy(
    await everyResource(fhir, 'DiagnosticReport'),
    ({ imagingStudy }) => imagingStudy?.[0]?.reference ?? '',
  );
  const findings: string[] = [];
  for (const [uid, { decision, publishedResults }] of state.studies) {
    const written = imagingStudies.get(uid) ?? [];
    if (decision !== 'linked') {
      if (written.length > 0) findings.push(`in the record, though quarantined: ${uid}`);
      continue;
    }
    if (written.length !== 1) findings.push(`${written.length} ImagingStudy resources: ${uid}`);
    const ofStudy = written.flatMap(({ id }) => reports.get(`ImagingStudy/${id}`) ?? []);
    if (ofStudy.length !== 1) findings.push(`${ofStudy.length} reports: ${uid}`);
    const versions = Number(ofStudy[0]?.meta?.versionId ?? 0);
    if (versions > publishedResults)
      findings.push(`${versions} versions of a report of ${publishedResults} results: ${uid}`);
  }
  return findings;
}

/** Every acknowledged object comes back as it was sent, and nothing was made of it twice. */
async function judgeArchive(cluster: Cluster, { acknowledged }: Promised, state: SystemState): Promise<string[]> {
  const findings: string[] = [];
  for (const [uid, study] of state.studies) findings.push(...judgeResultObjects(uid, study));
  const sent = Map.groupBy(acknowledged, ([, { studyInstanceUid }]) => studyInstanceUid);
  for (const [uid, instances] of sent) {
    const kept = await digestsOf(`${cluster.addresses.http('dicomweb')}/dicom-web/studies/${uid}`);
    for (const [sop, { sha256 }] of instances) {
      if (!kept.has(sha256)) findings.push(`does not come back as it was sent: ${sop}`);
    }
  }
  return findings;
}

/**
 * A published result is the one SR it names. One that a later result replaced may have left its own, stored before
 * the replacement was known (ADR 18); no result leaves two, and no object is without a result.
 */
function judgeResultObjects(uid: string, { issued, results }: StudyState): string[] {
  const findings: string[] = [];
  const kept = new Set(issued);
  for (const { published, names, made } of results) {
    const left = made.filter((sop) => kept.delete(sop));
    if (left.length > 1) findings.push(`${left.length} objects of one result: ${uid}`);
    if (published && (names.length !== 1 || !left.includes(names[0] ?? '')))
      findings.push(`a published result without the object it names: ${uid}`);
  }
  if (kept.size > 0) findings.push(`${kept.size} result objects of no result: ${uid}`);
  return findings;
}

async function everyResource(fhir: string, type: string): Promise<Resource[]> {
  interface Bundle {
    readonly entry?: readonly { readonly resource: Resource }[];
    readonly link?: readonly { readonly relation: string; readonly url: string }[];
  }
  const found: Resource[] = [];
  for (let url: string | undefined = `${fhir}/${type}?_count=${pageSize}`; url;) {
    const response: Response = await fetch(url, { signal: AbortSignal.timeout(requestMs) });
    if (!response.ok) throw new Error(`GET ${type}: ${response.status}`);
    const bundle = (await response.json()) as Bundle;
    found.push(...(bundle.entry ?? []).map(({ resource }) => resource));
    url = bundle.link?.find(({ relation }) => relation === 'next')?.url;
  }
  return found;
}

const studyInstanceUidOf = ({ identifier }: Resource): string =>
  identifier?.find(({ system }) => system === 'urn:dicom:uid')?.value?.replace('urn:oid:', '') ?? '';

/** Digest of each object of a study, as WADO-RS returns it. */
async function digestsOf(url: string): Promise<Set<string>> {
  const accept = 'multipart/related; type="application/dicom"; transfer-syntax=*';
  const response = await fetch(url, { headers: { accept }, signal: AbortSignal.timeout(requestMs) });
  if (!response.ok) throw new Error(`GET ${url}: ${response.status}`);
  const body = new Uint8Array(await response.arrayBuffer());
  const parts = multipartParts(response.headers.get('content-type') ?? '', body);
  return new Set(parts.map(({ bytes }) => datasetDigest(bytes)));
}
