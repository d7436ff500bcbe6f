import { createHash } from 'node:crypto';

import { type DicomJson, levelOfTag } from '@callosum/dicom';
import type { StudyIndexClient } from '@callosum/runtime';
import { ClientError, Status } from 'nice-grpc';

import type { LocatedInstance, Studies } from '../application/ports.js';
import { StudyNotIndexedError, StudyTooLargeError, StudyUnavailableError } from '../domain/errors.js';
import type { IndexedStudy } from '../domain/selection.js';

/** study-index over gRPC. */
export class GrpcStudies implements Studies {
  constructor(private readonly client: StudyIndexClient) {}

  async study(studyInstanceUid: string): Promise<IndexedStudy> {
    const { study } = await this.client.getStudy({ studyInstanceUid }).catch((error: unknown) => {
      throw peerError(studyInstanceUid, error);
    });
    if (!study) throw new StudyNotIndexedError(studyInstanceUid);
    // Of a study without instances (all withheld, docs/adr/0073) the index has no metadata: no model reads anything of it.
    const isEmpty = study.series.every(({ instances }) => instances.length === 0);
    const contents = isEmpty ? new Map<string, string>() : await this.contents(studyInstanceUid);
    return {
      studyInstanceUid,
      revision: study.revision,
      series: study.series.map((series) => ({
        ...series,
        instances: series.instances.map((instance) => ({
          ...instance,
          contentDigest: contents.get(instance.sopInstanceUid) ?? '',
        })),
      })),
    };
  }

  async locate(studyInstanceUid: string, seriesInstanceUid: string): Promise<readonly LocatedInstance[]> {
    const contents = await this.contents(studyInstanceUid, seriesInstanceUid);
    const located: LocatedInstance[] = [];
    try {
      const request = { studyInstanceUid, seriesInstanceUid, withoutPixelData: true };
      for await (const { instance } of this.client.locateInstances(request)) {
        if (!instance?.blob || instance.issuedByCallosum) continue;
        located.push({
          sopInstanceUid: instance.sopInstanceUid,
          blobKey: instance.blob.key,
          blobByteCount: Number(instance.blob.byteCount),
          contentDigest: contents.get(instance.sopInstanceUid) ?? '',
        });
      }
    } catch (error) {
      throw peerError(studyInstanceUid, error);
    }
    return located;
  }

  /** Digests of what a model reads of each instance, by SOPInstanceUID; of all series unless one is named. */
  private async contents(studyInstanceUid: string, seriesInstanceUid?: string): Promise<ReadonlyMap<string, string>> {
    const digests = new Map<string, string>();
    const request = { studyInstanceUid, ...(seriesInstanceUid ? { seriesInstanceUid } : {}) };
    try {
      for await (const { sopInstanceUid, dicomJson } of this.client.streamMetadata(request)) {
        digests.set(sopInstanceUid, contentDigest(JSON.parse(dicomJson) as DicomJson));
      }
    } catch (error) {
      throw peerError(studyInstanceUid, error);
    }
    return digests;
  }
}

/**
 * When and by whom an object was written or changed, which says nothing about its image: Instance Creation Date and
 * Time, Instance Coercion DateTime, Contributing Equipment, Modified and Original Attributes Sequence, and the digital
 * signatures over them (PS3.3 C.12.1).
 */
const historyTags: ReadonlySet<string> = new Set([
  '00080012',
  '00080013',
  '00080014',
  '00080015',
  '0018A001',
  '04000550',
  '04000561',
  '4FFE0001',
  'FFFAFFFA',
]);

/**
 * Digest of an instance without whose it is: a corrected patient name is no other input. The samples need not be in it:
 * those of the current object of a SOPInstanceUID never change (rule 2).
 */
function contentDigest(metadata: DicomJson): string {
  const read = Object.entries(metadata)
    .filter(([tag]) => levelOfTag(tag) !== 'study' && !historyTags.has(tag))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(read)).digest('hex');
}

const peerError = (studyInstanceUid: string, cause: unknown): Error =>
  cause instanceof ClientError && cause.code === Status.NOT_FOUND
    ? new StudyNotIndexedError(studyInstanceUid)
    : unreadable(studyInstanceUid, cause);

const unreadable = (studyInstanceUid: string, cause: unknown): Error =>
  cause instanceof ClientError &&
  cause.code === Status.INVALID_ARGUMENT &&
  cause.details.startsWith('study-index.answer-too-large')
    ? new StudyTooLargeError(studyInstanceUid, { cause })
    : new StudyUnavailableError(studyInstanceUid, { cause });
