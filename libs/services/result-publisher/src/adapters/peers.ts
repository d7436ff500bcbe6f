import { setTimeout as sleep } from 'node:timers/promises';

import { identity, type imaging } from '@callosum/contracts';
import { type IdentityClient, isAnswerTooLarge, type StudyIndexClient } from '@callosum/runtime';
import { ClientError, Status } from 'nice-grpc';

import {
  LinkNotCurrentError,
  PeerUnavailableError,
  StudyNotIndexedError,
  StudyTooLargeError,
} from '../application/errors.js';
import type {
  ClaimedPublication,
  LeasePurpose,
  PublishLease,
  PublishLeases,
  StudyReader,
} from '../application/ports.js';
import type { Dataset } from '../domain/dicom/dataset.js';
import { type Clocks, LeaseWindow, systemClocks } from '../domain/lease-window.js';
import type { StudyContents } from '../domain/study-contents.js';

/** study-index over gRPC. */
export class GrpcStudyReader implements StudyReader {
  constructor(private readonly client: StudyIndexClient) {}

  async study(studyInstanceUid: string): Promise<StudyContents> {
    const { study } = await this.client.getStudy({ studyInstanceUid }).catch((error: unknown) => {
      if (statusOf(error) === Status.NOT_FOUND) throw new StudyNotIndexedError(studyInstanceUid);
      throw indexError(studyInstanceUid, error);
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
      // None of them is current: withheld, or the index is being rebuilt. The archive knows which.
      if (statusOf(error) === Status.NOT_FOUND) return new Map();
      throw indexError(studyInstanceUid, error);
    }
    return found;
  }
}

/** What does not fit into a message never will. */
const indexError = (studyInstanceUid: string, cause: unknown): Error =>
  isAnswerTooLarge(cause) ? new StudyTooLargeError(studyInstanceUid, { cause }) : peerError('study-index', cause);

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

/** Longer than an attempt waits for the index and FHIR together; a decision that changes waits hardly longer than this. */
const leaseSeconds = 60;

/** identity-mapping's publish leases over gRPC. */
export class GrpcPublishLeases implements PublishLeases {
  constructor(
    private readonly client: IdentityClient,
    private readonly clocks: Clocks = systemClocks,
  ) {}

  async acquire(
    { studyInstanceUid, decisionId, jobId, kind }: ClaimedPublication,
    purpose: LeasePurpose,
  ): Promise<PublishLease> {
    const refuse = refusalOf(studyInstanceUid);
    const window = new LeaseWindow(this.clocks);
    const { leaseId, patientReference, duration } = await this.client
      .acquirePublishLease({
        studyInstanceUid,
        decisionId,
        holder: jobId ?? kind,
        duration: { seconds: BigInt(leaseSeconds), nanos: 0 },
        purpose: purposes[purpose],
      })
      .catch(refuse);
    // Without a duration there is nothing to count: a grantor of an older version gets no write.
    const grantedMs = duration ? Number(duration.seconds) * 1_000 + duration.nanos / 1e6 : 0;
    if (purpose === 'publish' && !patientReference) throw new LinkNotCurrentError(studyInstanceUid);
    return {
      patientReference,
      confirm: async () => void (await this.client.confirmPublishLease({ leaseId }).catch(refuse)),
      remainingMs: () => window.remainingMs(grantedMs),
      // A lease that cannot be given back runs out by itself.
      release: () => this.client.releasePublishLease({ leaseId }).then(nothing, nothing),
    };
  }
}

const purposes = {
  publish: identity.LeasePurpose.LEASE_PURPOSE_PUBLISH,
  withdraw: identity.LeasePurpose.LEASE_PURPOSE_WITHDRAW,
} as const satisfies Record<LeasePurpose, identity.LeasePurpose>;

const refusalOf =
  (studyInstanceUid: string) =>
  (error: unknown): never => {
    const status = statusOf(error);
    if (status === Status.FAILED_PRECONDITION || status === Status.NOT_FOUND)
      throw new LinkNotCurrentError(studyInstanceUid);
    throw peerError('identity-mapping', error);
  };

const nothing = (): void => undefined;
const statusOf = (error: unknown): Status | undefined => (error instanceof ClientError ? error.code : undefined);

/** Whatever a peer answers but a refusal it names is worth another try later. */
const peerError = (peer: string, cause: unknown): PeerUnavailableError => new PeerUnavailableError(peer, { cause });

export const pause = (ms: number): Promise<void> => sleep(ms);
