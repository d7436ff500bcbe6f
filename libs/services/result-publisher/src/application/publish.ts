import { createHash } from 'node:crypto';

import { inference } from '@callosum/contracts';

import { buildResultDocuments, type ResultDocuments } from '../domain/dicom/result-documents.js';
import { builderVersion } from '../domain/dicom/result-uids.js';
import { readSourceSeries } from '../domain/dicom/source-series.js';
import {
  failureTransaction,
  type PublicationBundle,
  publishedReferences,
  resultTransaction,
  type StudyContext,
  studyTransaction,
  supersededTransaction,
} from '../domain/fhir/transactions.js';
import type { JobResult } from '../domain/result.js';
import { holdsInstances, type StudyContents, withoutInstances } from '../domain/study-contents.js';
import { LinkNotCurrentError, ResultNotIndexedError } from './errors.js';
import { jobResult, MalformedJobError, modelOf } from './job-result.js';
import type {
  ArtifactReader,
  ClaimedPublication,
  FhirSink,
  LabelMapReader,
  PublicationOutcome,
  PublishLease,
  PublishLeases,
  ResultArchive,
  StudyReader,
  WrittenLedger,
} from './ports.js';
import { withdrawResult } from './withdraw-result.js';
import { underLease, writeFhir } from './write-fhir.js';

export interface PublishDependencies {
  readonly studies: StudyReader;
  readonly leases: PublishLeases;
  readonly archive: ResultArchive;
  readonly fhir: FhirSink;
  readonly labelMaps: LabelMapReader;
  readonly artifacts: ArtifactReader;
  readonly ledger: WrittenLedger;
  /** Tells errors of libraries that say a dependency is away. */
  readonly isOutage: (error: unknown) => boolean;
  readonly publicUrl: string;
  readonly site: string;
  readonly pause: (ms: number) => Promise<void>;
  /** Aborts when the process is asked to end: then nobody may be left who would do what an attempt waits for. */
  readonly ending: AbortSignal;
  /** Told once FHIR holds what the claim asked for. */
  readonly onWritten?: (claim: ClaimedPublication, study: StudyContents) => void;
}

/** How long an attempt waits for the index to name the SEG and SR it stored; then the row is tried again later. */
const retrievableWithinMs = 10_000;
const retrievablePollMs = 100;

/**
 * One attempt at one publication: archive first, then FHIR in one transaction, under a lease on the decision it
 * stands on. Repeating it after a crash at any point writes the same objects and resources, not others.
 * @returns undefined when what the server holds is this already
 */
export async function publish(
  dependencies: PublishDependencies,
  claim: ClaimedPublication,
): Promise<PublicationOutcome | undefined> {
  const study = await currentStudy(dependencies, claim);
  return underLease(dependencies, claim, 'publish', (lease) =>
    claim.kind === 'result'
      ? publishResult(dependencies, claim, study, lease)
      : claim.kind === 'failure'
        ? publishFailure(dependencies, claim, study, lease)
        : publishStudy(dependencies, claim, study, lease),
  );
}

/**
 * One attempt at what is left of a result that a later one has replaced: its Task. What it reported is the later
 * one's now, and is not read.
 */
export async function publishSuperseded(dependencies: PublishDependencies, claim: ClaimedPublication): Promise<void> {
  const { imagingStudy, diagnosticReport } = claim;
  // It was replaced before anything of it was written.
  if (!imagingStudy || !diagnosticReport) return;
  await currentStudy(dependencies, claim);
  const job = inference.JobCompleted.fromJSON(claim.payload);
  const { jobId, completedAt } = job;
  if (!completedAt) throw new MalformedJobError(jobId, 'completed_at');
  const [model, endedAt] = [modelOf(jobId, job.model), new Date(completedAt)];
  await underLease(dependencies, claim, 'publish', async (lease) => {
    const { patientReference } = lease;
    const scheduledAt = job.scheduledAt ? new Date(job.scheduledAt) : undefined;
    const context = { jobId, model, scheduledAt, endedAt, patientReference, imagingStudy, diagnosticReport };
    await writeFhir(dependencies, claim, lease, supersededTransaction(context));
  });
}

/** The link holds for the identity attributes it was judged on, and for no others (rule 3). */
async function currentStudy({ studies }: PublishDependencies, claim: ClaimedPublication): Promise<StudyContents> {
  const study = await studies.study(claim.studyInstanceUid);
  // Without instances (all of them withheld) it says nothing of a patient, and what was written of it is taken back.
  const isEmpty = study.identityDigest === '' && study.series.length === 0;
  if (study.identityDigest !== claim.identityDigest && !isEmpty) throw new LinkNotCurrentError(claim.studyInstanceUid);
  return study;
}

/** The study as FHIR may show it: of Callosum's own objects those only that a published result stands on. */
async function presentable(
  { ledger }: PublishDependencies,
  claim: ClaimedPublication,
  study: StudyContents,
  own: readonly string[] = [],
): Promise<StudyContents> {
  const outdated = new Set(await ledger.outdatedInstances(claim));
  for (const uid of own) outdated.delete(uid);
  return withoutInstances(study, outdated);
}

async function publishStudy(
  dependencies: PublishDependencies,
  claim: ClaimedPublication,
  study: StudyContents,
  lease: PublishLease,
): Promise<PublicationOutcome | undefined> {
  const context = studyContext(dependencies, await presentable(dependencies, claim, study), lease);
  const contentDigest = digestOf({ ...context, study: { ...context.study, firstStoredAt: undefined } });
  if (contentDigest === claim.contentDigest) return undefined;
  return write(dependencies, claim, studyTransaction(context), study, lease, { contentDigest });
}

const digestOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');

async function publishFailure(
  dependencies: PublishDependencies,
  claim: ClaimedPublication,
  study: StudyContents,
  lease: PublishLease,
): Promise<PublicationOutcome> {
  const job = inference.JobFailed.fromJSON(claim.payload);
  if (!job.failedAt) throw new MalformedJobError(job.jobId, 'failed_at');
  const superseded = job.reason === inference.JobFailureReason.JOB_FAILURE_REASON_SUPERSEDED;
  const reason = inference
    .jobFailureReasonToJSON(job.reason)
    .replace('JOB_FAILURE_REASON_', '')
    .toLowerCase()
    .replaceAll('_', ' ');
  const said = await failureText(dependencies, job);
  const bundle = failureTransaction({
    ...studyContext(dependencies, await presentable(dependencies, claim, study), lease),
    jobId: job.jobId,
    model: modelOf(job.jobId, job.model),
    endedAt: new Date(job.failedAt),
    outcome: { status: superseded ? 'cancelled' : 'failed', reason: said ? `${reason}: ${said}` : reason },
    reports: !superseded && !(await dependencies.ledger.hasResult(claim)),
  });
  return write(dependencies, claim, bundle, study, lease, {});
}

/**
 * A result is built again when what it copies from its source has changed: other bytes get other UIDs, and FHIR
 * refers to the new objects only.
 */
async function publishResult(
  dependencies: PublishDependencies,
  claim: ClaimedPublication,
  study: StudyContents,
  lease: PublishLease,
): Promise<PublicationOutcome | undefined> {
  const job = inference.JobCompleted.fromJSON(claim.payload);
  if (!job.input) throw new MalformedJobError(job.jobId, 'input');
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUids } = job.input;
  if (await dependencies.archive.isWithheld(studyInstanceUid, sopInstanceUids))
    return withdrawResult(dependencies, claim, job, lease);
  const instances = await dependencies.studies.instances(studyInstanceUid, seriesInstanceUid);
  const source = readSourceSeries(sopInstanceUids, instances);
  const contentDigest = digestOf([source.digest, builderVersion, job.resultDigest, lease.patientReference]);
  if (contentDigest === claim.contentDigest) return undefined;
  const result = await resultOf(dependencies, job);
  const documents = buildResultDocuments(result, source);
  const stored = documentList(documents);
  const own = stored.map(({ sopInstanceUid }) => sopInstanceUid);
  await dependencies.ledger.aboutToIssue(claim, own);
  await dependencies.archive.store(stored, claim.correlationId);
  // A person hid the objects themselves: nothing refers to what cannot be retrieved.
  if (await dependencies.archive.isWithheld(studyInstanceUid, own))
    return withdrawResult(dependencies, claim, job, lease);
  const grown = await untilIndexed(dependencies, claim, study, own);
  const segSopInstanceUid = documents.segmentation?.sopInstanceUid;
  const srSopInstanceUid = documents.report.sopInstanceUid;
  const bundle = resultTransaction({
    ...studyContext(dependencies, await presentable(dependencies, claim, grown, own), lease),
    result,
    objects: { segSopInstanceUid, srSopInstanceUid },
    scheduledAt: job.scheduledAt ? new Date(job.scheduledAt) : undefined,
    earlierObservations: await dependencies.ledger.earlierObservations(claim),
  });
  return write(dependencies, claim, bundle, grown, lease, {
    contentDigest,
    segSopInstanceUid: segSopInstanceUid ?? '',
    srSopInstanceUid,
  });
}

/** In our words, or the worker's: events do not carry what vendors write. */
async function failureText({ artifacts }: PublishDependencies, job: inference.JobFailed): Promise<string> {
  if (!job.detailArtifact) return job.detail;
  return inference.FailureText.fromJSON(await artifacts.read(job.detailArtifact)).detail;
}

async function resultOf(
  { labelMaps, artifacts }: PublishDependencies,
  fact: inference.JobCompleted,
): Promise<JobResult> {
  const { resultArtifact } = fact;
  const job = resultArtifact
    ? { ...fact, result: inference.InferenceResult.fromJSON(await artifacts.read(resultArtifact)) }
    : fact;
  const [map] = job.result?.labelMaps ?? [];
  const voxels = map && (await labelMaps.read(map.artifactKey, map.sha256, map.columns * map.rows * map.slices));
  return jobResult(job, voxels);
}

/** SEG before SR: the report refers to the segmentation, never the other way round. */
const documentList = ({ segmentation, report }: ResultDocuments) => [...(segmentation ? [segmentation] : []), report];

/** Nothing refers to an object that cannot be retrieved: the index must name it first. */
async function untilIndexed(
  dependencies: PublishDependencies,
  claim: ClaimedPublication,
  study: StudyContents,
  sopInstanceUids: readonly string[],
): Promise<StudyContents> {
  let current = study;
  for (let waitedMs = 0; !holdsInstances(current, sopInstanceUids); waitedMs += retrievablePollMs) {
    if (waitedMs >= retrievableWithinMs || dependencies.ending.aborted)
      throw new ResultNotIndexedError(claim.studyInstanceUid);
    await dependencies.pause(retrievablePollMs);
    current = await currentStudy(dependencies, claim);
  }
  return current;
}

const studyContext = (
  { publicUrl, site }: PublishDependencies,
  study: StudyContents,
  { patientReference }: PublishLease,
): StudyContext => ({
  study,
  patientReference,
  publicUrl,
  site,
});

async function write(
  dependencies: PublishDependencies,
  claim: ClaimedPublication,
  publication: PublicationBundle,
  study: StudyContents,
  lease: PublishLease,
  outcome: Partial<PublicationOutcome>,
): Promise<PublicationOutcome> {
  const response = await writeFhir(dependencies, claim, lease, publication.bundle);
  dependencies.onWritten?.(claim, study);
  return {
    decisionId: claim.decisionId,
    patientReference: lease.patientReference,
    // A job's own revision orders its results; a study's is what was written.
    studyRevision: claim.kind === 'imaging-study' ? study.revision : claim.studyRevision,
    contentDigest: '',
    segSopInstanceUid: '',
    srSopInstanceUid: '',
    writtenObservations: publication.writtenObservations,
    ...publishedReferences(publication, response),
    ...outcome,
  };
}
