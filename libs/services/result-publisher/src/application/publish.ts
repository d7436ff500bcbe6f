import { createHash } from 'node:crypto';

import { inference } from '@callosum/contracts';
import type { Observation } from '@callosum/fhir';

import { buildResultDocuments, type ResultDocuments } from '../domain/dicom/result-documents.js';
import { readSourceSeries } from '../domain/dicom/source-series.js';
import {
  failureTransaction,
  type PublicationBundle,
  publishedReferences,
  resultTransaction,
  type StudyContext,
  studyTransaction,
} from '../domain/fhir/transactions.js';
import type { JobResult } from '../domain/result.js';
import { holdsInstances, type StudyContents } from '../domain/study-contents.js';
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
} from './ports.js';

export interface PublishDependencies {
  readonly studies: StudyReader;
  readonly leases: PublishLeases;
  readonly archive: ResultArchive;
  readonly fhir: FhirSink;
  readonly labelMaps: LabelMapReader;
  readonly artifacts: ArtifactReader;
  readonly earlierObservations: (claim: ClaimedPublication) => Promise<readonly Observation[]>;
  readonly publicUrl: string;
  readonly site: string;
  readonly pause: (ms: number) => Promise<void>;
  /** Told once FHIR holds what the claim asked for. */
  readonly onWritten?: (claim: ClaimedPublication, study: StudyContents) => void;
}

/** How long an attempt waits for the index to name the SEG and SR it stored; then the row is tried again later. */
const retrievableWithinMs = 10_000;
const retrievablePollMs = 100;
/** A FHIR transaction needs this much of the lease: less, and the decision might change under it. */
const writeMsMin = 2_000;
/** A transaction of a large study takes seconds; longer means the server hangs. */
const writeMsMax = 25_000;

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
  const lease = await dependencies.leases.acquire(
    claim.studyInstanceUid,
    claim.decisionId,
    claim.jobId ?? 'imaging-study',
  );
  try {
    switch (claim.kind) {
      case 'imaging-study':
        return await publishStudy(dependencies, claim, study, lease);
      case 'failure':
        return await publishFailure(dependencies, claim, study, lease);
      case 'result':
        return await publishResult(dependencies, claim, study, lease);
    }
  } finally {
    await lease.release();
  }
}

/** The link holds for the identity attributes it was judged on, and for no others (rule 3). */
async function currentStudy({ studies }: PublishDependencies, claim: ClaimedPublication): Promise<StudyContents> {
  const study = await studies.study(claim.studyInstanceUid);
  if (study.identityDigest !== claim.identityDigest) throw new LinkNotCurrentError(claim.studyInstanceUid);
  return study;
}

async function publishStudy(
  dependencies: PublishDependencies,
  claim: ClaimedPublication,
  study: StudyContents,
  lease: PublishLease,
): Promise<PublicationOutcome | undefined> {
  const context = studyContext(dependencies, study, lease);
  const contentDigest = createHash('sha256')
    .update(JSON.stringify({ ...context, study: { ...context.study, firstStoredAt: undefined } }))
    .digest('hex');
  if (contentDigest === claim.contentDigest) return undefined;
  return write(dependencies, claim, studyTransaction(context), study, lease, { contentDigest });
}

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
    ...studyContext(dependencies, study, lease),
    jobId: job.jobId,
    model: modelOf(job.jobId, job.model),
    endedAt: new Date(job.failedAt),
    outcome: { status: superseded ? 'cancelled' : 'failed', reason: said ? `${reason}: ${said}` : reason },
  });
  return write(dependencies, claim, bundle, study, lease, {});
}

async function publishResult(
  dependencies: PublishDependencies,
  claim: ClaimedPublication,
  study: StudyContents,
  lease: PublishLease,
): Promise<PublicationOutcome> {
  const job = inference.JobCompleted.fromJSON(claim.payload);
  const result = await resultOf(dependencies, job);
  const instances = await dependencies.studies.instances(result.studyInstanceUid, result.seriesInstanceUid);
  const documents = buildResultDocuments(result, readSourceSeries(result.sopInstanceUids, instances));
  const stored = documentList(documents);
  await dependencies.archive.store(stored, claim.correlationId);
  const grown = await untilIndexed(
    dependencies,
    claim,
    study,
    stored.map(({ sopInstanceUid }) => sopInstanceUid),
  );
  const bundle = resultTransaction({
    ...studyContext(dependencies, grown, lease),
    result,
    scheduledAt: job.scheduledAt ? new Date(job.scheduledAt) : undefined,
    earlierObservations: await dependencies.earlierObservations(claim),
  });
  return write(dependencies, claim, bundle, grown, lease, {
    segSopInstanceUid: documents.segmentation?.sopInstanceUid ?? '',
    srSopInstanceUid: documents.report.sopInstanceUid,
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
    if (waitedMs >= retrievableWithinMs) throw new ResultNotIndexedError(claim.studyInstanceUid);
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
  { fhir, onWritten }: PublishDependencies,
  claim: ClaimedPublication,
  publication: PublicationBundle,
  study: StudyContents,
  lease: PublishLease,
  outcome: Partial<PublicationOutcome>,
): Promise<PublicationOutcome> {
  const remainingMs = await lease.confirm();
  if (remainingMs < writeMsMin) throw new LinkNotCurrentError(claim.studyInstanceUid);
  const response = await fhir.transact(publication.bundle, Math.min(remainingMs, writeMsMax));
  onWritten?.(claim, study);
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
