import type { Caller, Role } from '../roles.js';

/** Which services may call a method, and which roles of people's tokens. */
export interface MethodAccess {
  readonly services: readonly Caller[];
  readonly roles?: readonly Role[];
}

const studyIndex = '/callosum.imaging.v1.StudyIndexService';
const identity = '/callosum.identity.v1.IdentityService';
const parked = '/callosum.operations.v1.ParkedService';
const studyStatus = '/callosum.operations.v1.StudyStatusService';
const credentials = '/callosum.worker.v1.WorkerCredentialService';
const publisher: MethodAccess = { services: ['result-publisher'] };
const operators: MethodAccess = { services: ['cli'], roles: ['operator'] };

/** Who may call what between services; the edges of the design's graph. A method that is not here is denied to all. */
export const methods: Readonly<Record<string, MethodAccess>> = {
  [`${studyIndex}/GetStudy`]: { services: ['inference-orchestrator', 'result-publisher'] },
  [`${studyIndex}/GetDemographics`]: { services: ['identity-mapping'] },
  [`${studyIndex}/Search`]: { services: ['dicomweb', 'dimse-ingest'] },
  [`${studyIndex}/StreamMetadata`]: { services: ['dicomweb', 'inference-orchestrator', 'result-publisher'] },
  [`${studyIndex}/LocateInstances`]: { services: ['dicomweb', 'dimse-ingest', 'inference-orchestrator'] },
  [`${studyIndex}/ReadMetadata`]: { services: ['dicomweb'] },
  [`${studyIndex}/LocateFrames`]: { services: ['dicomweb'] },
  [`${studyIndex}/AwaitIndexed`]: { services: ['dicomweb'] },
  [`${studyIndex}/Reindex`]: operators,
  [`${identity}/GetDecision`]: publisher,
  [`${identity}/AcquirePublishLease`]: publisher,
  [`${identity}/ConfirmPublishLease`]: publisher,
  [`${identity}/ReleasePublishLease`]: publisher,
  [`${parked}/ListParked`]: operators,
  [`${parked}/ShowParked`]: operators,
  [`${parked}/ReplayParked`]: operators,
  [`${parked}/DropParked`]: operators,
  [`${studyStatus}/GetStudyStatus`]: operators,
  [`${credentials}/IssueCredential`]: operators,
  [`${credentials}/ListCredentials`]: operators,
  [`${credentials}/RevokeCredential`]: operators,
};
