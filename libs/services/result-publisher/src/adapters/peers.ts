import { setTimeout as sleep } from 'node:timers/promises';

import { imaging } from '@callosum/contracts';
import type { IdentityClient, StudyIndexClient } from '@callosum/runtime';
import { ClientError, Status } from 'nice-grpc';

import { LinkNotCurrentError, PeerUnavailableError, StudyNotIndexedError } from '../application/errors.js';
import type { PublishLease, PublishLeases, StudyReader } from '../application/ports.js';
import type { Dataset } from '../domain/dicom/dataset.js';
import type { StudyContents } from '../domain/study-contents.js';

/** study-index over gRPC. */
export class GrpcStudyReader implements StudyReader {
  constructor(private readonly client: StudyIndexClient) {}

  async study(studyInstanceUid: string): Promise<StudyContents> {
    const { study } = await this.client.getStudy({ studyInstanceUid }).catch((error: unknown) => {
      if (statusOf(error) === Status.NOT_FOUND) throw new StudyNotIndexedError(studyInstanceUid);
      throw peerError('study-index', error);
    });
    if (!study) throw new StudyNotIndexedError(studyInstanceUid);
    return contentsOf(study);
  }

  async instances(studyInstanceUid: string, seriesInstanceUid: string): Promise<ReadonlyMap<string, Dataset>> {
    const found = new Map<string, Dataset>();
    try {
      for await (const answer of this.client.streamMetadata({ studyInstanceUid, seriesInstanceUid })) {
        found.set(answer.sopInstanceUid, JSON.parse(answer.dicomJson) as Dataset);
      }
    } catch (error) {
      throw peerError('study-index', error);
    }
    return found;
  }
}

/** What a publication says of a study and no more: its digest must not change with where a blob lies. */
function contentsOf(study: imaging.Study): StudyContents {
  const { studyInstanceUid, revision, studyDate, studyTime, studyDescription, timezoneOffsetFromUtc, identityDigest } =
    study;
  return {
    studyInstanceUid,
    revision,
    studyDate,
    studyTime,
    studyDescription,
    timezoneOffsetFromUtc,
    identityDigest,
    firstStoredAt: study.firstStoredAt === undefined ? undefined : new Date(study.firstStoredAt),
    series: study.series.map((series) => ({
      seriesInstanceUid: series.seriesInstanceUid,
      modality: series.modality,
      seriesNumber: series.seriesNumber,
      seriesDescription: series.seriesDescription,
      bodyPartExamined: series.bodyPartExamined,
      laterality: series.laterality,
      seriesDate: series.seriesDate,
      seriesTime: series.seriesTime,
      instances: series.instances.map(({ sopInstanceUid, sopClassUid, instanceNumber }) => ({
        sopInstanceUid,
        sopClassUid,
        instanceNumber,
      })),
    })),
  };
}

/** Longer than an attempt waits for the index and FHIR together; a decision that changes waits no longer than this. */
const leaseSeconds = 60;

/** identity-mapping's publish leases over gRPC. */
export class GrpcPublishLeases implements PublishLeases {
  constructor(private readonly client: IdentityClient) {}

  async acquire(studyInstanceUid: string, decisionId: string, holder: string): Promise<PublishLease> {
    const request = { studyInstanceUid, decisionId, holder, duration: { seconds: BigInt(leaseSeconds), nanos: 0 } };
    const { leaseId, patientReference } = await this.client
      .acquirePublishLease(request)
      .catch((error: unknown) => this.refuse(studyInstanceUid, error));
    return {
      patientReference,
      confirm: async () => {
        const { expiresAt } = await this.client
          .confirmPublishLease({ leaseId })
          .catch((error: unknown) => this.refuse(studyInstanceUid, error));
        return expiresAt ? new Date(expiresAt).getTime() - Date.now() : 0;
      },
      // A lease that cannot be given back runs out by itself.
      release: () => this.client.releasePublishLease({ leaseId }).then(nothing, nothing),
    };
  }

  private refuse(studyInstanceUid: string, error: unknown): never {
    const status = statusOf(error);
    if (status === Status.FAILED_PRECONDITION || status === Status.NOT_FOUND)
      throw new LinkNotCurrentError(studyInstanceUid);
    throw peerError('identity-mapping', error);
  }
}

const nothing = (): void => undefined;
const statusOf = (error: unknown): Status | undefined => (error instanceof ClientError ? error.code : undefined);

/** Whatever a peer answers but a refusal it names is worth another try later. */
const peerError = (peer: string, cause: unknown): PeerUnavailableError => new PeerUnavailableError(peer, { cause });

export const pause = (ms: number): Promise<void> => sleep(ms);
