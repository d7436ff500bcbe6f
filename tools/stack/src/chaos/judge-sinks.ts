import { multipartParts } from '@callosum/testing';

import type { Client } from '../cluster/access.js';
import type { Cluster } from '../cluster/cluster.js';
import { readLog } from '../cluster/read-log.js';
import { datasetDigest } from './dataset-digest.js';
import { judgeJobs, repeatedRecords } from './judge-jobs.js';
import { type ArchivedStudy, judgeObjects } from './judge-objects.js';
import { judgePatients } from './judge-patients.js';
import { type ClinicalRecord, judgeRecord, provenancesOf, type Resource, versionOf } from './judge-record.js';
import type { Promised, SystemState } from './judge-state.js';

const requestMs = 30_000;
const pageSize = 200;
/** More than any study of a run has. */
const instancesMax = 1_000;

export interface SinkVerdict {
  readonly findings: readonly string[];
  /** Records of the log that repeat an earlier one: delivered at least once, and told apart. */
  readonly repeatedFacts: number;
  /** Versions of reports that were written again because nobody heard the answer. */
  readonly repeatedVersions: number;
}

/** What others find: facts in Kafka, objects over QIDO-RS and WADO-RS, and the record over FHIR. */
export async function judgeSinks(cluster: Cluster, promised: Promised, state: SystemState): Promise<SinkVerdict> {
  const { perResult } = promised;
  const records = await readLog(cluster.kafka.brokers);
  const record = await readRecord(cluster);
  const findings = [
    ...judgeJobs(records, state, promised),
    ...judgeRecord(record, state, perResult),
    ...judgePatients(record, await everyResource(cluster, 'Patient'), promised.studies),
    ...(await judgeArchive(cluster, promised, state)),
  ];
  const repeatedVersions = record.reports.reduce(
    (sum, report) => sum + versionOf(report) - provenancesOf(report, record.provenances).length,
    0,
  );
  return { findings, repeatedFacts: repeatedRecords(records), repeatedVersions };
}

async function judgeArchive(cluster: Cluster, promised: Promised, state: SystemState): Promise<string[]> {
  const findings: string[] = [];
  const sent = Map.groupBy(promised.acknowledged, ([, { studyInstanceUid }]) => studyInstanceUid);
  for (const [uid, study] of state.studies) {
    const digests = new Map((sent.get(uid) ?? []).map(([sop, { sha256 }]) => [sop, sha256]));
    findings.push(...judgeObjects(uid, study, await readArchive(cluster, uid), digests, promised.perResult));
  }
  return findings;
}

async function readRecord(cluster: Cluster): Promise<ClinicalRecord> {
  const [imagingStudies, reports, observations, tasks, provenances] = [
    await everyResource(cluster, 'ImagingStudy'),
    await everyResource(cluster, 'DiagnosticReport'),
    await everyResource(cluster, 'Observation'),
    await everyResource(cluster, 'Task'),
    await everyResource(cluster, 'Provenance'),
  ];
  const distinctVersions = new Map<string, number>();
  for (const report of reports) {
    if (versionOf(report) === provenancesOf(report, provenances).length) continue;
    const versions = await everyResource(cluster, `DiagnosticReport/${report.id}/_history`);
    const said = versions.map(({ meta: _meta, ...content }) => JSON.stringify(content));
    distinctVersions.set(report.id, new Set(said).size);
  }
  return { imagingStudies, reports, observations, tasks, provenances, distinctVersions };
}

async function everyResource(cluster: Cluster, path: string): Promise<Resource[]> {
  interface Bundle {
    readonly entry?: readonly { readonly resource: Resource }[];
    readonly link?: readonly { readonly relation: string; readonly url: string }[];
  }
  const found: Resource[] = [];
  for (
    let url: string | undefined = `${cluster.addresses.http('fhir-gateway')}/fhir/${path}?_count=${pageSize}`;
    url;
  ) {
    const response = await get(cluster, 'ehr', url, 'application/fhir+json');
    const bundle = (await response.json()) as Bundle;
    found.push(...(bundle.entry ?? []).map(({ resource }) => resource));
    url = bundle.link?.find(({ relation }) => relation === 'next')?.url;
  }
  return found;
}

async function readArchive(cluster: Cluster, uid: string): Promise<ArchivedStudy> {
  const study = `${cluster.addresses.http('dicomweb')}/dicom-web/studies/${uid}`;
  const found = await get(cluster, 'pacs', `${study}/instances?limit=${instancesMax}`, 'application/dicom+json');
  const datasets = found.status === 204 ? [] : ((await found.json()) as Dataset[]);
  const whole = await get(cluster, 'pacs', study, 'multipart/related; type="application/dicom"; transfer-syntax=*');
  const body = new Uint8Array(await whole.arrayBuffer());
  const parts = multipartParts(whole.headers.get('content-type') ?? '', body);
  return {
    listed: datasets.map((dataset) => ({ sop: first(dataset, '00080018'), sopClass: first(dataset, '00080016') })),
    digests: parts.map(({ bytes }) => datasetDigest(bytes)),
  };
}

/** Of PS3.18 section F.2. */
type Dataset = Readonly<Record<string, { readonly Value?: readonly string[] } | undefined>>;
const first = (dataset: Dataset, tag: string): string => dataset[tag]?.Value?.[0] ?? '';

async function get(cluster: Cluster, client: Client, url: string, accept: string): Promise<Response> {
  const headers = { ...(await cluster.headers(client)), accept };
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(requestMs) });
  if (!response.ok) throw new Error(`GET ${url}: ${response.status}`);
  return response;
}
