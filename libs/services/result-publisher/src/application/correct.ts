import { correctionTransaction, imagingStudyAmong } from '../domain/fhir/patient-resources.js';
import type { ClaimedPublication, PublicationOutcome } from './ports.js';
import type { PublishDependencies } from './publish.js';
import { underLease, writeFhir } from './write-fhir.js';

/**
 * One attempt at bringing in line what was written of a study under earlier decisions (rule 3): withdrawn when nobody
 * knows now whose it is, moved when it is another Patient's. It goes by what was ever about to be written and by what
 * the server holds of it, so that neither a crash nor a superseded job leaves anything behind; and it needs neither
 * the model's result nor the images, so that a result that cannot be published again cannot keep it.
 * @returns undefined when all of it is in line already
 */
export async function correct(
  dependencies: PublishDependencies,
  claim: ClaimedPublication,
): Promise<PublicationOutcome | undefined> {
  const purpose = claim.decision === 'linked' ? 'publish' : 'withdraw';
  return underLease(dependencies, claim, purpose, async (lease) => {
    const resources = await dependencies.fhir.find(await dependencies.ledger.written(claim.studyInstanceUid));
    const patientReference = purpose === 'publish' ? lease.patientReference : undefined;
    const { decisionId, decidedAt } = claim;
    const bundle = correctionTransaction(resources, { decisionId, decidedAt, patientReference });
    if (!bundle) return undefined;
    await writeFhir(dependencies, claim, lease, bundle);
    const of = (type: string): string[] =>
      resources.flatMap(({ resourceType, id }) => (resourceType === type && id ? [`${type}/${id}`] : []));
    return {
      decisionId,
      patientReference: patientReference ?? '',
      studyRevision: claim.studyRevision,
      contentDigest: '',
      imagingStudy: imagingStudyAmong(resources),
      diagnosticReport: of('DiagnosticReport')[0] ?? '',
      observations: of('Observation'),
      task: '',
      segSopInstanceUid: '',
      srSopInstanceUid: '',
      writtenObservations: [],
    };
  });
}
