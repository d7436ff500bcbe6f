import type { imaging } from '@callosum/contracts';
import type { StudyIndexClient } from '@callosum/runtime';
import { ClientError, Status } from 'nice-grpc';

import type { LocatedInstance, Studies } from '../application/ports.js';
import { StudyNotIndexedError, StudyUnavailableError } from '../domain/errors.js';
import type { IndexedStudy } from '../domain/selection.js';

/** study-index over gRPC. */
export class GrpcStudies implements Studies {
  constructor(private readonly client: StudyIndexClient) {}

  async study(studyInstanceUid: string): Promise<IndexedStudy> {
    const { study } = await this.client.getStudy({ studyInstanceUid }).catch((error: unknown) => {
      throw peerError(studyInstanceUid, error);
    });
    if (!study) throw new StudyNotIndexedError(studyInstanceUid);
    return {
      studyInstanceUid,
      revision: study.revision,
      series: study.series.map((series) => ({ ...series, instances: series.instances.map(toInstance) })),
    };
  }

  async locate(studyInstanceUid: string, seriesInstanceUid: string): Promise<readonly LocatedInstance[]> {
    const located: LocatedInstance[] = [];
    try {
      for await (const { instance } of this.client.locateInstances({ studyInstanceUid, seriesInstanceUid })) {
        if (!instance?.blob || instance.issuedByCallosum) continue;
        located.push({
          sopInstanceUid: instance.sopInstanceUid,
          blobKey: instance.blob.key,
          blobByteCount: Number(instance.blob.byteCount),
          blobSha256: instance.blob.sha256,
        });
      }
    } catch (error) {
      throw new StudyUnavailableError(studyInstanceUid, { cause: error });
    }
    return located;
  }
}

const toInstance = (instance: imaging.Instance) => ({ ...instance, blobSha256: instance.blob?.sha256 ?? '' });

function peerError(studyInstanceUid: string, cause: unknown): Error {
  return cause instanceof ClientError && cause.code === Status.NOT_FOUND
    ? new StudyNotIndexedError(studyInstanceUid)
    : new StudyUnavailableError(studyInstanceUid, { cause });
}
