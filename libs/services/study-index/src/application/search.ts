import { matchesKeys, personName, type QueryKey as Key } from '@callosum/dicom';

import { SearchTooBroadError, TooManySearchesError } from '../domain/errors.js';
import type { DicomJson } from '../domain/instance.js';
import { computed, type Level, levelOfKey } from '../domain/keys.js';
import { answerOf, datasetOfLevel, type SearchRow } from './search-answer.js';
import type { SearchPlan } from './search-plan.js';

export interface SearchQuery {
  readonly level: Level;
  readonly keys: readonly Key[];
  /** Attributes to read of an instance's metadata. */
  readonly tags: readonly string[] | 'all';
  readonly withSopClasses: boolean;
  readonly withPatientCounts: boolean;
  /** At the patient's level: one row a patient, where all keys are decided there; else all studies of each, together. */
  readonly onePerPatient: boolean;
  /** Who asks: turns are shared out by that. */
  readonly asker?: string;
}

/** Rows in the order of the search; `next` goes on after the last of them, and is undefined when there are no more. */
export interface SearchPage {
  readonly rows: readonly SearchRow[];
  readonly next?: SearchPosition;
  /** How long others were served first. */
  readonly waitedMs?: number;
}

/** Where a search has come to: the sort keys of its last row. What it holds is the store's. */
export type SearchPosition = Readonly<Record<string, string | number | null>>;

export interface SearchStore {
  /** True when no row is found that does not match this key; of other keys rows may be found that do not. */
  decides(key: Key): boolean;
  /**
   * @param signal ends the waiting and the looking, with its reason
   * @throws {SearchTooBroadError} when it takes longer than a statement may
   * @throws {TooManySearchesError} when it waits for others for too long
   */
  page(
    query: SearchQuery,
    from: { after?: SearchPosition; limit: number; offset: number },
    signal?: AbortSignal,
  ): Promise<SearchPage>;
}

/** Rows fetched at once. Metadata is up to megabytes an instance, so the first page of it is small and tells. */
const pageRows: Readonly<Record<Level, number>> = { patient: 500, study: 500, series: 500, instance: 200 };
const firstInstanceRows = 20;
/** JSON of one page: four searches at once stay below 64 MiB with what it takes to read it. */
const pageCharactersMax = 2_000_000;
/** So long a search may look without finding anything. A scan of a million studies takes less. */
export const searchSilenceMsMax = 30_000;
/** So long it may wait for others, page after page, without finding anything. */
const waitedMsMax = 60_000;

/**
 * All matches, newest study first (of patients: by Patient ID), in pages of their own transactions: nothing is held while
 * the caller takes its time. What stays as it is is found exactly once, however long the search takes; what comes or goes
 * meanwhile may be found or not.
 * @param signal ends the search, also within a page
 * @throws {SearchTooBroadError} when it would walk the archive
 * @throws {TooManySearchesError} when others keep it from looking for as long
 */
export async function* search(
  store: SearchStore,
  plan: SearchPlan,
  signal?: AbortSignal,
  silenceMsMax = searchSilenceMsMax,
): AsyncGenerator<DicomJson> {
  const open = plan.keys.filter((key) => !store.decides(key));
  const query: SearchQuery = { ...queryOf(plan), onePerPatient: open.length === 0 };
  // An offset counts matches: where rows are still to be judged, they are counted here.
  const skipsHere = open.length > 0;
  let toSkip = skipsHere ? plan.offset : 0;
  let left = plan.limit;
  let lastPatient: string | undefined;
  let after: SearchPosition | undefined;
  let rowsMax = plan.level === 'instance' ? firstInstanceRows : pageRows[plan.level];
  let heardAt = performance.now();
  let waitedForMs = 0;
  for (let isFirst = true; left > 0; isFirst = false) {
    signal?.throwIfAborted();
    if (performance.now() - heardAt > silenceMsMax) throw new SearchTooBroadError();
    const limit = Math.min(rowsMax, rowsWanted(left + Math.max(toSkip, 0), open.length > 0, isFirst));
    const offset = isFirst && !skipsHere ? plan.offset : 0;
    const { rows, next, waitedMs = 0 } = await store.page(query, { ...(after && { after }), limit, offset }, signal);
    // Its own looking counts, not that of others.
    heardAt += waitedMs;
    waitedForMs += waitedMs;
    for (const row of rows) {
      if (!matchesRow(row, open)) continue;
      if (plan.level === 'patient') {
        if (row.study.patientKey === lastPatient) continue;
        lastPatient = row.study.patientKey;
      }
      if (toSkip-- > 0) continue;
      signal?.throwIfAborted();
      yield answerOf(row, plan);
      heardAt = performance.now();
      waitedForMs = 0;
      if (--left <= 0) return;
    }
    if (!next) return;
    if (waitedForMs > waitedMsMax) throw new TooManySearchesError();
    after = next;
    rowsMax = nextPageRows(plan.level, rowsMax, rows);
  }
}

/** Nearly all rows that SQL finds match; where many do not, pages are whole from the second on. */
const rowsWanted = (matches: number, areJudged: boolean, isFirst: boolean): number => {
  if (!areJudged) return matches;
  return isFirst ? matches + spareRows : Number.POSITIVE_INFINITY;
};
const spareRows = 10;

/** As many as fit, and at most four times as many as before. */
function nextPageRows(level: Level, before: number, rows: readonly SearchRow[]): number {
  if (level !== 'instance') return pageRows[level];
  const characters = rows.reduce((sum, { metadata }) => sum + JSON.stringify(metadata ?? {}).length, 0);
  const fitting = Math.floor(pageCharactersMax / Math.max(characters / Math.max(rows.length, 1), 1));
  return Math.max(1, Math.min(pageRows[level], fitting, before * 4));
}

function queryOf(plan: SearchPlan): Omit<SearchQuery, 'onePerPatient'> {
  const matched = plan.keys.flatMap(({ path, condition }) => [
    ...path.slice(0, 1),
    ...(condition.kind === 'moment' && path.length === 1 ? [condition.timeTag] : []),
  ]);
  return {
    level: plan.level,
    keys: plan.keys,
    asker: plan.asker,
    // The time zone is what a date and time without one is read in.
    tags: plan.wantsAll ? 'all' : [...new Set([...plan.wanted.keys(), ...matched, '00080201'])],
    withSopClasses: plan.wanted.has(computed.sopClassesInStudy),
    withPatientCounts: [
      computed.numberOfPatientRelatedStudies,
      computed.numberOfPatientRelatedSeries,
      computed.numberOfPatientRelatedInstances,
    ].some((tag) => plan.wanted.has(tag)),
  };
}

/** Keys are matched with the dataset of their level; the patient's name is the one that the index knows the study by. */
function matchesRow(row: SearchRow, keys: readonly Key[]): boolean {
  const byDataset = new Map<DicomJson, Key[]>();
  for (const key of keys) {
    const dataset = datasetOfLevel(row, levelOfKey(key.path[0] ?? ''));
    byDataset.set(dataset, [...(byDataset.get(dataset) ?? []), key]);
  }
  return [...byDataset].every(([dataset, ofDataset]) =>
    matchesKeys(
      dataset === row.study.attributes
        ? { ...dataset, '00100010': { vr: 'PN', Value: [personName(row.study.patientName)] } }
        : dataset,
      ofDataset,
    ),
  );
}
