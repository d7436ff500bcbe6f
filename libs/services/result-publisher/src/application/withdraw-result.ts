import type { inference } from '@callosum/contracts';

import { identifierSystems, namedIdentifier } from '../domain/fhir/coding.js';
import type { ResourceKey } from '../domain/fhir/patient-resources.js';
import { withdrawalTransaction } from '../domain/fhir/withdrawal.js';
import { modelOf } from './job-result.js';
import type {
  ClaimedPublication,
  FhirSink,
  PublicationOutcome,
  PublishLease,
  PublishLeases,
  ResultArchive,
  WrittenLedger,
} from './ports.js';
import { writeFhir } from './write-fhir.js';

export interface WithdrawDependencies {
  readonly archive: ResultArchive;
  readonly fhir: FhirSink;
  readonly ledger: WrittenLedger;
  readonly leases: PublishLeases;
}

/** In the place of a digest of what was written: no such digest is as short. */
const withheld = 'withheld';

/**
 * Takes a result back whose images are withheld (docs/adr/0073): its report and observations are entered in error, its
 * SEG and SR hidden. Its Task stays: the job was done. When the images are shown again, so is the result.
 * @returns undefined when it is taken back, or nothing of it was ever written
 */
export async function withdrawResult(
  dependencies: WithdrawDependencies,
  claim: ClaimedPublication,
  job: inference.JobCompleted,
  lease: PublishLease,
): Promise<PublicationOutcome | undefined> {
  const { archive, fhir, ledger } = dependencies;
  const { studyInstanceUid } = claim;
  // Also of one that was taken back before: a person may have shown its objects since.
  await archive.hide(studyInstanceUid, await ledger.issuedBy(claim));
  if (claim.contentDigest === withheld) return undefined;
  const resources = await fhir.find([reportKey(claim, job), ...(await observationKeys(dependencies, claim))]);
  const bundle = withdrawalTransaction(resources, { jobId: job.jobId, at: new Date() });
  if (resources.length === 0) return undefined;
  if (bundle) await writeFhir(dependencies, claim, lease, bundle);
  const of = (type: string): string[] =>
    resources.flatMap(({ resourceType, id }) => (resourceType === type && id ? [`${type}/${id}`] : []));
  return {
    decisionId: claim.decisionId,
    patientReference: lease.patientReference,
    studyRevision: claim.studyRevision,
    contentDigest: withheld,
    imagingStudy: claim.imagingStudy ?? '',
    diagnosticReport: of('DiagnosticReport')[0] ?? '',
    observations: of('Observation'),
    task: '',
    segSopInstanceUid: '',
    srSopInstanceUid: '',
    writtenObservations: [],
  };
}

function reportKey({ studyInstanceUid }: ClaimedPublication, job: inference.JobCompleted): ResourceKey {
  const { vendor, modelId } = modelOf(job.jobId, job.model);
  return {
    resourceType: 'DiagnosticReport',
    ...namedIdentifier(identifierSystems.report, studyInstanceUid, vendor, modelId),
  };
}

/** Of the model: what an earlier result of it said of the study stands on the same images, or was taken back before. */
async function observationKeys({ ledger }: WithdrawDependencies, claim: ClaimedPublication): Promise<ResourceKey[]> {
  const observations = await ledger.modelObservations(claim);
  const keys = observations.flatMap(({ identifier }) => {
    const { system, value } = identifier?.[0] ?? {};
    return system && value ? [{ resourceType: 'Observation' as const, system, value }] : [];
  });
  return [...new Map(keys.map((key) => [key.value, key])).values()];
}
