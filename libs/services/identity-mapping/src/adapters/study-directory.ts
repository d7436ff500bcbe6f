import type { StudyIndexClient } from '@callosum/runtime';

import type { StudyDirectory } from '../application/ports.js';
import type { StudyDemographics } from '../domain/judgement.js';
import { rethrow } from './grpc-errors.js';

/** study-index over gRPC. */
export class GrpcStudyDirectory implements StudyDirectory {
  constructor(private readonly studyIndex: StudyIndexClient) {}

  async demographics(studyInstanceUid: string): Promise<StudyDemographics> {
    const answer = await this.studyIndex.getDemographics({ studyInstanceUid }).catch(rethrow);
    return {
      patientId: answer.patientId,
      issuerOfPatientId: answer.issuerOfPatientId,
      issuerUniversalEntityId: answer.issuerUniversalEntityId,
      issuerUniversalEntityIdType: answer.issuerUniversalEntityIdType,
      patientName: answer.patientName,
      patientBirthDate: answer.patientBirthDate,
      patientSex: answer.patientSex,
      source: answer.source,
      inconsistent: answer.inconsistent,
      identityDigest: answer.identityDigest,
    };
  }
}
