import type { DicomJson, IdentifierKey, Tag } from '@callosum/dicom';

import { IdentifierError, TooManyInstancesError } from '../domain/query-errors.js';
import { type QueryLevel, type RetrieveIdentifier, tags } from '../domain/query-model.js';
import type { LocatedInstance, QueryIndex } from './query-ports.js';

/** As many as study-index takes in one list. */
const uidsInQuery = 1_000;

/** Studies that are wanted, and which of their series and instances; all of them where a set is empty. */
interface Wanted {
  readonly studyInstanceUid: string;
  readonly series: ReadonlySet<string>;
  readonly instances: ReadonlySet<string>;
}

/**
 * The instances that a retrieve names, study by study in the index's order: what the index does not show (rejected,
 * deleted, superseded) is not sent.
 * @param instancesMax that are held at once
 * @throws {TooManyInstancesError} @throws {IndexUnavailableError} @throws {IdentifierError}
 */
export async function locateSelection(
  index: QueryIndex,
  selection: RetrieveIdentifier,
  instancesMax: number,
  signal: AbortSignal,
): Promise<LocatedInstance[]> {
  const located: LocatedInstance[] = [];
  for (const { studyInstanceUid, series, instances } of await wantedOf(index, selection, signal)) {
    const [seriesInstanceUid, sopInstanceUid] = [onlyOf(series), onlyOf(instances)];
    const part = {
      studyInstanceUid,
      ...(seriesInstanceUid === undefined ? {} : { seriesInstanceUid }),
      ...(sopInstanceUid === undefined ? {} : { sopInstanceUid }),
    };
    for await (const instance of index.instances(part, signal)) {
      const isWanted =
        (series.size === 0 || series.has(instance.seriesInstanceUid)) &&
        (instances.size === 0 || instances.has(instance.sopInstanceUid));
      if (!isWanted) continue;
      if (located.length >= instancesMax) throw new TooManyInstancesError(instancesMax);
      located.push(instance);
    }
  }
  return located;
}

function onlyOf(uids: ReadonlySet<string>): string | undefined {
  const [uid] = uids;
  return uids.size === 1 ? uid : undefined;
}

/** The index is asked first whose a study is, and, in relational retrieves, in which study a series or instance is. */
async function wantedOf(index: QueryIndex, selection: RetrieveIdentifier, signal: AbortSignal): Promise<Wanted[]> {
  const { patientId, studyInstanceUids: studies, seriesInstanceUids, sopInstanceUids } = selection;
  const series = new Set(seriesInstanceUids);
  const instances = new Set(sopInstanceUids);
  // Shared by all studies: both lists may be long.
  const parts = (studyInstanceUid: string): Wanted => ({ studyInstanceUid, series, instances });
  if (patientId === undefined && studies.length > 0) return studies.map(parts);
  const seek = (level: QueryLevel, uids: readonly string[]): Promise<Found[]> =>
    found(index, selection, level, uids, signal);
  if (studies.length > 0) return (await seek('STUDY', studies)).map(({ study }) => parts(study));
  if (selection.level === 'PATIENT') {
    const all = await seek('STUDY', []);
    if (selection.issuerOfPatientId === undefined) assertOnePatient(all);
    return all.map(({ study }) => parts(study));
  }
  if (sopInstanceUids.length === 0) return grouped(await seek('SERIES', seriesInstanceUids));
  const inSeries = await seek('IMAGE', sopInstanceUids);
  return grouped(series.size === 0 ? inSeries : inSeries.filter((one) => series.has(one.series)));
}

interface Found {
  readonly study: string;
  /** '' at the levels above. */
  readonly series: string;
  readonly instance: string;
  /** Who gave the Patient ID, '' where the study does not say. */
  readonly issuer: string;
}

/**
 * One Patient ID may have been given to two people by two issuers: what is asked for is one person's. Studies that state no
 * issuer pass, as sites begin to state it at some time.
 * @throws {IdentifierError}
 */
function assertOnePatient(found: readonly Found[]): void {
  const issuers = new Set(found.map(({ issuer }) => issuer).filter((issuer) => issuer !== ''));
  if (issuers.size > 1)
    throw new IdentifierError('Patient ID of several issuers: say of which', [tags.issuerOfPatientId]);
}

function grouped(found: readonly Found[]): Wanted[] {
  const studies = new Map<string, { studyInstanceUid: string; series: Set<string>; instances: Set<string> }>();
  for (const { study, series, instance } of found) {
    const wanted = studies.get(study) ?? {
      studyInstanceUid: study,
      series: new Set<string>(),
      instances: new Set<string>(),
    };
    studies.set(study, wanted);
    wanted.series.add(series);
    if (instance !== '') wanted.instances.add(instance);
  }
  return [...studies.values()];
}

const uniqueKeys: Readonly<Record<QueryLevel, Tag>> = {
  PATIENT: tags.patientId,
  STUDY: tags.studyInstanceUid,
  SERIES: tags.seriesInstanceUid,
  IMAGE: tags.sopInstanceUid,
};

/** What of these UIDs there is, of the patient where one is named; all at that level when there are none. */
async function found(
  index: QueryIndex,
  { patientId, issuerOfPatientId }: RetrieveIdentifier,
  level: QueryLevel,
  uids: readonly string[],
  signal: AbortSignal,
): Promise<Found[]> {
  // Empty it matches all, and is answered.
  const issuer = issuerOfPatientId ?? (uids.length === 0 ? '' : undefined);
  const patient: IdentifierKey[] = [
    ...(patientId === undefined ? [] : [{ path: tags.patientId, value: patientId }]),
    ...(issuer === undefined ? [] : [{ path: tags.issuerOfPatientId, value: issuer }]),
  ];
  const all: Found[] = [];
  for (let at = 0; at === 0 || at < uids.length; at += uidsInQuery) {
    const list = { path: uniqueKeys[level], value: uids.slice(at, at + uidsInQuery).join('\\') };
    const search = { ...baseline, level, keys: [...patient, list] };
    for await (const { dataset } of index.search(search, signal)) {
      const [study, series] = [textAt(dataset, tags.studyInstanceUid), textAt(dataset, tags.seriesInstanceUid)];
      const instance = textAt(dataset, tags.sopInstanceUid);
      all.push({ study, series, instance, issuer: textAt(dataset, tags.issuerOfPatientId) });
    }
  }
  return all;
}

const baseline = { combinedDatetime: false, fuzzyNames: false, emptyValues: false };

const textAt = (dataset: DicomJson, tag: Tag): string => {
  const value = dataset[tag]?.Value?.[0];
  return typeof value === 'string' ? value : '';
};
