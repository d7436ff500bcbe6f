import type { JobPublication, ResultParts, StudyState, SystemState } from './judge-state.js';

/** What the judge reads of a resource of the record. */
export interface Resource {
  readonly resourceType: string;
  readonly id: string;
  readonly meta?: {
    readonly versionId?: string;
    readonly tag?: readonly { readonly system?: string; readonly code?: string }[];
  };
  readonly status?: string;
  readonly identifier?: readonly { readonly system?: string; readonly value?: string }[];
  readonly imagingStudy?: readonly Reference[];
  readonly result?: readonly Reference[];
  readonly derivedFrom?: readonly Reference[];
  readonly focus?: Reference;
  readonly target?: readonly Reference[];
  readonly subject?: Reference;
  /** Task's. */
  readonly for?: Reference;
  /** Patient's. */
  readonly birthDate?: string;
}

interface Reference {
  readonly reference?: string;
}

/** Everything of these types that the FHIR server holds. */
export interface ClinicalRecord {
  readonly imagingStudies: readonly Resource[];
  readonly reports: readonly Resource[];
  readonly observations: readonly Resource[];
  readonly tasks: readonly Resource[];
  readonly provenances: readonly Resource[];
  /** How many versions of a report say something different, by id, where it has more versions than Provenances. */
  readonly distinctVersions: ReadonlyMap<string, number>;
}

const jobSystem = 'urn:callosum:job';
const publicationSystem = 'urn:callosum:publication';
const nameOf = ({ resourceType, id }: Resource): string => `${resourceType}/${id}`;
const refersTo = (references: readonly Reference[] | undefined, name: string): boolean =>
  references?.some(({ reference }) => reference === name) ?? false;
export const versionOf = ({ meta }: Resource): number => Number(meta?.versionId ?? 0);
/** The Provenances of what was written into a resource. */
export const provenancesOf = (resource: Resource, all: readonly Resource[]): Resource[] =>
  all.filter(({ target }) => refersTo(target, nameOf(resource)));

/**
 * Holds the record against the jobs: for each published result one report, its Observations, one Task in its end state and
 * one Provenance; nothing twice, nothing that no job accounts for, and nothing of a quarantined study.
 */
export function judgeRecord(record: ClinicalRecord, { studies }: SystemState, perResult: ResultParts): string[] {
  const findings: string[] = [];
  const accounted = new Set<string>();
  const written = Map.groupBy(record.imagingStudies, studyInstanceUidOf);
  for (const [uid, state] of studies) {
    const say = (what: string): void => void findings.push(`${what}: study ${uid}`);
    const [study, ...more] = written.get(uid) ?? [];
    if (state.decision !== 'linked') {
      if (study) say('is in the record, though quarantined');
      continue;
    }
    if (!study || more.length > 0) say(`${study ? more.length + 1 : 0} ImagingStudy resources`);
    if (!study) continue;
    accounted.add(nameOf(study));
    judgeReports(record, study, state, perResult, say, accounted);
    judgeTasks(record, study, state, say, accounted);
  }
  for (const resource of Object.values(record).flatMap((all) => (Array.isArray(all) ? (all as Resource[]) : [])))
    if (!accounted.has(nameOf(resource))) findings.push(`nothing accounts for ${nameOf(resource)}`);
  return findings;
}

type Say = (what: string) => void;

function judgeReports(
  { reports, observations, provenances, distinctVersions }: ClinicalRecord,
  study: Resource,
  { publications }: StudyState,
  perResult: ResultParts,
  say: Say,
  accounted: Set<string>,
): void {
  const ofStudy = reports.filter(({ imagingStudy }) => refersTo(imagingStudy, nameOf(study)));
  const [report] = ofStudy;
  if (ofStudy.length !== 1) say(`${ofStudy.length} reports`);
  for (const one of ofStudy) accounted.add(nameOf(one));
  if (!report) return;
  if (report.status !== 'preliminary') say(`its report is ${report.status}`);
  const named = observations.filter((one) => refersTo(report.result, nameOf(one)));
  if (named.length !== perResult.observations || report.result?.length !== named.length)
    say(`its report names ${report.result?.length ?? 0} Observations, ${named.length} are there`);
  for (const one of named) {
    accounted.add(nameOf(one));
    if (!refersTo(one.derivedFrom, nameOf(study))) say(`an Observation of its report is of another study`);
    if (one.status !== 'preliminary') say(`an Observation of its report is ${one.status}`);
  }
  const ofReport = provenancesOf(report, provenances);
  judgeProvenances(ofReport, [report, ...named], publications, say, accounted);
  // Each write of the report wrote its Provenance: one that was written again, because nobody heard the answer, too.
  const writes = ofReport.reduce((sum, one) => sum + versionOf(one), 0);
  if (writes !== versionOf(report)) say(`${versionOf(report)} versions of its report, ${writes} of their Provenances`);
  const distinct = distinctVersions.get(report.id) ?? versionOf(report);
  if (distinct !== ofReport.length) say(`its report said ${distinct} things, by ${ofReport.length} results`);
}

/** One of each result that was published; one that a later result overtook on its way may have left its own. */
function judgeProvenances(
  provenances: readonly Resource[],
  targets: readonly Resource[],
  publications: readonly JobPublication[],
  say: Say,
  accounted: Set<string>,
): void {
  const results = publications.filter(({ kind }) => kind === 'result');
  const byJob = Map.groupBy(provenances, jobOfProvenance);
  for (const { jobId, published } of results) {
    const ofJob = byJob.get(jobId) ?? [];
    if (ofJob.length > 1 || (published && ofJob.length === 0)) say(`${ofJob.length} Provenances of job ${jobId}`);
    for (const one of ofJob) accounted.add(nameOf(one));
    if (ofJob[0] && !targets.every((resource) => refersTo(ofJob[0]?.target, nameOf(resource))))
      say(`the Provenance of job ${jobId} does not say whose its report and Observations are`);
    byJob.delete(jobId);
  }
  for (const job of byJob.keys()) say(`a Provenance of its report is of no result: ${job}`);
}

const ends = { completed: 'completed', failed: 'failed', superseded: 'cancelled' } as const;

/** One of each job whose outcome was published, in the state the job ended in. */
function judgeTasks(
  { tasks }: ClinicalRecord,
  study: Resource,
  { jobs, publications }: StudyState,
  say: Say,
  accounted: Set<string>,
): void {
  const published = new Set(publications.filter((one) => one.published).map(({ jobId }) => jobId));
  for (const { id, state } of jobs) {
    const ofJob = tasks.filter(({ identifier }) => hasIdentifier(identifier, jobSystem, id));
    if (ofJob.length > 1 || (published.has(id) && ofJob.length === 0)) say(`${ofJob.length} Tasks of job ${id}`);
    for (const task of ofJob) {
      accounted.add(nameOf(task));
      const end = state === 'queued' || state === 'running' ? state : ends[state];
      if (task.status !== end) say(`the Task of job ${id} is ${task.status}, not ${end}`);
      if (task.focus?.reference !== nameOf(study)) say(`the Task of job ${id} is of another study`);
    }
  }
}

const hasIdentifier = (identifiers: Resource['identifier'], system: string, value: string): boolean =>
  identifiers?.some((one) => one.system === system && one.value === value) ?? false;

const jobOfProvenance = ({ meta }: Resource): string =>
  meta?.tag?.find(({ system }) => system === publicationSystem)?.code ?? '';

export const studyInstanceUidOf = ({ identifier }: Resource): string =>
  identifier?.find(({ system }) => system === 'urn:dicom:uid')?.value?.replace('urn:oid:', '') ?? '';
